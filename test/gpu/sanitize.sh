#!/usr/bin/env bash
# compute-sanitizer over what prepare.sh made, on a machine with a GPU: sanitize.sh [FOLDER [OPTION…]] (default: the folder of this
# script; options: sanitize.py). Exit code 77: no GPU or no compute-sanitizer.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here}
chmod +x "$folder/bin/mirl"
exec python3 "$here/sanitize.py" "$folder" "${@:2}"
