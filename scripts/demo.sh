#!/usr/bin/env bash
# Describes a picture with what the repository holds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

model=tests/fixtures/qwen2_vl/model
image=tests/fixtures/images/wide_150x34.png
prompt='Describe this picture.'

cat <<TEXT
This repository holds no trained model yet. The one below is a test fixture, Qwen2-VL's architecture with small random
weights: everything runs as with a real checkpoint, but the words are meaningless. With a real one:
  build/mlx-vision generate --model FOLDER --image picture.jpg --prompt '$prompt'

model   $model
picture $image
prompt  $prompt

TEXT
build/mlx-vision generate --model "$model" --image "$image" --prompt "$prompt" --max-tokens 24 --temperature 0
