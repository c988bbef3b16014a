#!/usr/bin/env bash
# The benchmarks of a built tree (make bench). Beside the reference where a Python with its packages is found.
#
#   PYTHON=…                     the Python to look in (default python3)
#   MODEL=FOLDER PICTURE=FILE    what the comparison with mlx-vlm runs; not run without a MODEL
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}
step() { printf '\n=== %s\n' "$*"; }

# compare IMPORT COMMAND...: runs the command with the Python that can import this, or says how to.
compare() {
  local import=$1
  shift
  step "beside the reference: $1"
  if "$python" -c "$import" 2>/dev/null; then
    "$python" "$@"
  else
    echo "Not run: $python fails at '$import'. With a Python that does not: PYTHON=…/bin/python make bench, or"
    echo "  …/bin/python $*"
  fi
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
build/bench_images --pictures "$folder"

step images
BENCH_IMAGES=$folder build/bench_images
for case in clip qwen clip_by_frame qwen_by_frame; do
  printf 'peak memory above the start for large.jpg, %s: %s kB\n' $case "$(BENCH_IMAGES=$folder build/bench_images --memory $case)"
done

compare 'from transformers import CLIPImageProcessorPil' bench/images/compare.py build/bench_images

if [[ -n ${MODEL:-} ]]; then
  compare 'import mlx_vlm' bench/compare.py build/mlx-vision "$MODEL" "${PICTURE:-$folder/small.jpg}" --reference "$python"
else
  step "beside the reference: bench/compare.py"
  echo "Not run: it needs a checkpoint. MODEL=FOLDER [PICTURE=FILE] make bench, with a Python that has mlx_vlm."
fi
