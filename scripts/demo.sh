#!/usr/bin/env bash
# Describes a picture with the model that comes with the program.
#
#   scripts/demo.sh [picture]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

program=build/mlx-vision
picture=${1:-examples/pictures/shapes.png}

echo "picture $picture"
if "$program" --help | grep -q '^  see '; then "$program" see "$picture" || true; fi
"$program" describe "$picture"
