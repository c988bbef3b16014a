#!/usr/bin/env bash
# Describes a picture with the model that comes with the program.
#
#   scripts/demo.sh [picture]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

program=build/mlx-vision
picture=${1:-examples/pictures/shapes.png}

echo "picture $picture"
"$program" see "$picture" 2> /dev/null # which model it is, describe says
"$program" describe "$picture"
