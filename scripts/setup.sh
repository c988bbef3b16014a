#!/usr/bin/env bash
# Installs what mlx-vision is built with, and only what is missing: system packages, a project-local .venv that
# holds the MLX wheels and nothing else (for lint also .venv-lint), and a check of the Rust toolchain. Safe to run again at any time; when
# everything is there it takes a fraction of a second and uses no network.
#
#   scripts/setup.sh [lint] [bench]     what is needed to build and test, plus the named extras
#
# Environment:
#   MLX_BACKEND=cpu|cuda|metal   which build of MLX (default: metal on macOS; cuda with an NVIDIA driver that
#                                supports it; else cpu). Another value than last time re-installs.
#   PYTHON=python3.12            which Python makes the .venv (3.10 or newer)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly MLX_VERSION=0.32.4
readonly MIN_NVIDIA_DRIVER=580  # the first that runs CUDA 13
readonly CLANG_TIDY_VERSION=23.1.4  # skips system headers, so takes a third of version 16's time

readonly DEBIAN_PACKAGES=(g++ cmake ninja-build pkg-config python3 python3-venv libopenblas-dev nlohmann-json3-dev
  libcli11-dev doctest-dev libhwy-dev libjpeg-dev zlib1g-dev libpng-dev libwebp-dev libtiff-dev libavif-dev
  libavformat-dev libavcodec-dev libswscale-dev libedit-dev libmd-dev)
readonly DEBIAN_LINT=(clang-format-16 clang-16 libclang-rt-16-dev) # the last two for the sanitizers
readonly DEBIAN_BENCH=(libbenchmark-dev)
readonly BREW_PACKAGES=(cmake ninja pkgconf nlohmann-json cli11 doctest highway jpeg-turbo libpng webp libtiff
  libavif ffmpeg libedit zlib)
readonly BREW_LINT=(llvm@16)
readonly BREW_BENCH=(google-benchmark)

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: error: %s\n' "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

# version_at_least FOUND NEEDED
version_at_least() { [[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" == "$2" ]]; }

debian_missing() {  # prints those of the arguments that are not installed
  local package
  for package in "$@"; do
    [[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || echo "$package"
  done
}

install_debian() {
  local missing as_root=()
  mapfile -t missing < <(debian_missing "$@")
  ((${#missing[@]})) || return 0
  if [[ $(id -u) != 0 ]]; then
    if ! command -v sudo >/dev/null || { [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; }; then
      die "${#missing[@]} system package(s) are missing and this user cannot install them. Ask an administrator to run:" \
        "apt-get install ${missing[*]}"
    fi
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends "${missing[@]}"
}

install_brew() {
  command -v brew >/dev/null || die "Homebrew is missing: install it from https://brew.sh, then run this again."
  command -v c++ >/dev/null || die "a C++ compiler is missing: run 'xcode-select --install', then this again."
  local prefix formula missing=()
  prefix=$(brew --prefix)
  for formula in "$@"; do [[ -e "$prefix/opt/$formula" ]] || missing+=("$formula"); done
  ((${#missing[@]})) || return 0
  say "installing ${missing[*]}"
  brew install "${missing[@]}"
}

install_system_packages() {
  local extra
  if [[ $(uname) == Darwin ]]; then
    local packages=("${BREW_PACKAGES[@]}")
    for extra in "$@"; do [[ $extra == lint ]] && packages+=("${BREW_LINT[@]}") || packages+=("${BREW_BENCH[@]}"); done
    install_brew "${packages[@]}"
  else
    local packages=("${DEBIAN_PACKAGES[@]}")
    for extra in "$@"; do [[ $extra == lint ]] && packages+=("${DEBIAN_LINT[@]}") || packages+=("${DEBIAN_BENCH[@]}"); done
    if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
      install_debian "${packages[@]}"
    else
      say "this system has no apt-get; the build needs what Debian calls: ${packages[*]}"
    fi
  fi
}

check_rust() {
  local needed found remedy
  needed=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' rust/Cargo.toml)
  remedy=("Install a current one for this user alone (https://rustup.rs), or, if rustup is there: rustup update stable."
    "Packages that do as well: on Debian 12 rustc-web and cargo-web, on macOS (brew) rust. Then run this again.")
  command -v cargo >/dev/null && command -v rustc >/dev/null ||
    die "Rust $needed or newer is needed (cargo and rustc), found none on the PATH." "${remedy[@]}"
  found=$(rustc --version | cut -d' ' -f2)
  version_at_least "$found" "$needed" || die "Rust $needed or newer is needed, found $found." "${remedy[@]}"
}

nvidia_driver() {  # prints the driver's version, or nothing
  if [[ -r /proc/driver/nvidia/version ]]; then
    grep -m1 NVRM /proc/driver/nvidia/version | grep -oE '[0-9]{3}\.[0-9.]+' | head -n 1
  elif command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1
  fi
}

choose_backend() {
  local driver
  if [[ -n "${MLX_BACKEND:-}" ]]; then
    case "$(uname)/$MLX_BACKEND" in
      Linux/cpu | Linux/cuda | Darwin/metal) echo "$MLX_BACKEND" ;;
      *) die "MLX_BACKEND: expected cpu or cuda on Linux, metal on macOS, got '$MLX_BACKEND' on $(uname)." ;;
    esac
  elif [[ $(uname) == Darwin ]]; then
    echo metal
  else
    driver=$(nvidia_driver || true)
    if [[ -z $driver ]]; then
      echo cpu
    elif version_at_least "$driver" $MIN_NVIDIA_DRIVER; then
      echo cuda
    else
      say "NVIDIA driver $driver is older than $MIN_NVIDIA_DRIVER, which CUDA 13 needs: using the CPU build of MLX" >&2
      echo cpu
    fi
  fi
}

# The wheels that are wholly there, told from what is on disk (pip writes RECORD last) rather than from a stamp,
# so that a half-finished or foreign .venv is seen for what it is.
installed_wheels() {
  local record
  for record in .venv/lib/python3*/site-packages/mlx*.dist-info/RECORD; do
    [[ -e $record ]] || continue
    basename "$(dirname "$record")" .dist-info | tr '_' '-'
  done | sort | tr '\n' ' '
}

make_venv() {  # make_venv FOLDER REQUIREMENT...
  local folder=$1 python=${PYTHON:-python3}
  shift
  command -v "$python" >/dev/null || die "$python is not on the PATH; name another with PYTHON=…"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "Python 3.10 or newer is needed, found $("$python" -V 2>&1); name another with PYTHON=…"
  # From scratch: the wheels of two backends share files, so removing one would damage the other.
  "$python" -m venv --clear "$folder" ||
    die "$python cannot make a virtual environment; on Debian its venv module is the package python3-venv."
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

install_tidy() {
  local record
  for record in .venv-lint/lib/python3*/site-packages/clang_tidy-"$CLANG_TIDY_VERSION".dist-info/RECORD; do
    [[ ! -e $record ]] || return 0
  done
  say "installing clang-tidy $CLANG_TIDY_VERSION into .venv-lint"
  make_venv .venv-lint "clang-tidy==$CLANG_TIDY_VERSION"
}

install_mlx() {
  local backend=$1 companion wanted
  case $backend in
    cpu) companion=mlx-cpu ;;
    cuda) companion=mlx-cuda-13 ;;
    metal) companion=mlx-metal ;;
  esac
  wanted="mlx-$MLX_VERSION $companion-$MLX_VERSION "
  [[ "$(installed_wheels)" != "$wanted" ]] || return 0

  say "installing MLX $MLX_VERSION ($backend) into .venv"
  make_venv .venv "mlx==$MLX_VERSION" "$companion==$MLX_VERSION"
  [[ "$(installed_wheels)" == "$wanted" ]] || die "after the installation .venv holds '$(installed_wheels)', expected '$wanted'"
}

main() {
  local extra backend
  for extra in "$@"; do
    [[ $extra == lint || $extra == bench ]] || die "expected 'lint' or 'bench', got '$extra'"
  done
  install_system_packages "$@"
  check_rust
  backend=$(choose_backend)
  install_mlx "$backend"
  for extra in "$@"; do [[ $extra != lint ]] || install_tidy; done
  say "ready (MLX $MLX_VERSION, $backend)"
}

main "$@"
