#!/usr/bin/env bash
# The comparison of a GPU with the CPU at small sizes, on the emulated GPU: emulated.sh BIN EMULATOR, the folder of its libcuda.so.1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
MIRL_GPU_MODULE=ptx "$here/prepare.sh" "$1" "$folder" --small
LD_LIBRARY_PATH=$2${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} python3 "$here/compare.py" "$folder" --small
