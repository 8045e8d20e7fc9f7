#!/usr/bin/env bash
# Compares the GPU with the CPU bit for bit on what prepare.sh made: run.sh [FOLDER [OPTION…]] (default: the folder of this
# script; options: compare.py).
# SFT_ITERATIONS (20) and RL_ITERATIONS (3) say how long the two programs are trained. Exit code 77: no GPU.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here}
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null || true
chmod +x "$folder/bin/mirl"
exec python3 "$here/compare.py" "$folder" "${@:2}"
