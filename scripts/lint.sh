#!/usr/bin/env bash
# Everything that is checked without running the program. Quick checks first; the first failure ends the run.
#
#   scripts/lint.sh [quick]     quick: formatting, layers and sizes only
#
# Otherwise a built tree in build/ is needed, for its compile commands.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

llvm() {  # the pinned version of an LLVM tool, wherever the system keeps it
  command -v "$1-16" || command -v "$(brew --prefix llvm@16 2>/dev/null)/bin/$1" || {
    echo "lint: error: $1 16 was not found; run scripts/setup.sh lint" >&2
    return 1
  }
}
step() { printf 'lint: %s\n' "$*"; }

clang_format=$(llvm clang-format)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/build/cargo}

step format
git ls-files '*.cpp' '*.h' | xargs "$clang_format" --dry-run -Werror
cargo fmt --manifest-path rust/Cargo.toml --check

step layers and sizes
python3 tools/check_layers.py

[[ ${1:-} != quick ]] || exit 0

step clippy
cargo clippy --quiet --locked --release --all-targets --manifest-path rust/Cargo.toml -- -D warnings

step clang-tidy
[[ -x .venv-lint/bin/clang-tidy ]] || { echo 'lint: error: clang-tidy was not found; run scripts/setup.sh lint' >&2; exit 1; }
git ls-files 'src/*.cpp' | xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 4 .venv-lint/bin/clang-tidy -p build --quiet \
  > build/clang-tidy.log 2>&1 || {
  grep -E -A3 '(error|warning):' build/clang-tidy.log || cat build/clang-tidy.log
  exit 1
}
step clean
