# The whole interface of the source tree. Everything behind it is CMake (see CMakePresets.json).
PREFIX ?= /usr/local
JOBS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)

.PHONY: build demo test lint bench install clean help setup configure
.DEFAULT_GOAL := help

help:
	@echo 'make build    build/mlx-vision, and what it needs first (scripts/setup.sh)'
	@echo 'make demo     build, then describe a picture'
	@echo 'make test     build, then run every test'
	@echo 'make lint     formatting, clang-tidy, layers and sizes, cargo fmt and clippy'
	@echo 'make bench    build and run the benchmarks'
	@echo 'make install  into PREFIX (default /usr/local)'
	@echo 'make clean    remove build/'

setup:
	@scripts/setup.sh

configure: setup
	@[ -e build/build.ninja ] || cmake --preset release

build: configure
	cmake --build --preset release -j $(JOBS)

demo: build
	@scripts/demo.sh

test: build
	ctest --preset release -j $(JOBS)

lint: build
	@scripts/setup.sh lint
	@scripts/lint.sh

bench:
	@scripts/setup.sh bench
	cmake --preset release -DMLX_VISION_BENCH=ON
	cmake --build --preset release -j $(JOBS) --target mlx-vision bench_images bench_kernels
	@scripts/bench.sh

install: build
	cmake --install build --prefix $(PREFIX)

clean:
	rm -rf build
