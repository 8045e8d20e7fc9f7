#!/usr/bin/env bash
# prepare.sh and run.sh on this machine: test.sh BIN. Exit code 77: there is no GPU.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python3 -c 'import ctypes; ctypes.CDLL("libcuda.so.1")' 2>/dev/null || { echo "skipped: no NVIDIA driver"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$here/prepare.sh" "$1" "$folder"
"$folder/run.sh"
