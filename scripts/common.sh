# Shared by the scripts here: installing what is missing, configuring, building.
# Sourced, with `root` set to the repository.

say() { printf '== %s\n' "$*" >&2; }
die() { printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Runs a command as root, by sudo where needed.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "this needs root to run '$*': run it as root, or install sudo"; fi
}

# Installs the packages of a list that are not there yet.
install_packages() {
  command -v dpkg-query >/dev/null || die "needs Debian 12 (dpkg is missing); elsewhere install what scripts/packages lists, then run cmake by hand (README.md)"
  local missing=() package
  while read -r package; do
    case "$package" in ''|'#'*) continue ;; esac
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done <"$1"
  [ ${#missing[@]} = 0 ] && return
  say "installing ${missing[*]}"
  as_root apt-get update -qq || die "apt-get update failed: is there a network, and does /etc/apt/sources.list name a mirror?"
  DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 \
    || die "apt-get could not install: ${missing[*]}"
}

# Unpacks the wheels of scripts/packages-pypi into FOLDER/pypi, where cmake looks for them. mirl builds without them, too.
unpack_wheels() {
  cmp -s "$root/scripts/packages-pypi" "$1/pypi/packages-pypi" && return
  say "unpacking nvidia-nvtx"
  rm -rf "$1/pypi"
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$1/pypi" --no-deps --only-binary :all: \
    --require-hashes -r "$root/scripts/packages-pypi" >&2 && cp "$root/scripts/packages-pypi" "$1/pypi/" \
    || say "warning: pip could not install scripts/packages-pypi: mirl is built without NVTX, and refuses --nvtx"
}

# Configures (once) and builds targets in a folder: build FOLDER [CMAKE_FLAG…] -- [TARGET…]
build() {
  local folder=$1 flags=() ; shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do flags+=("$1"); shift; done
  [ $# -gt 0 ] && shift
  unpack_wheels "$folder"
  say "configuring $folder"
  cmake -S "$root" -B "$folder" -G Ninja -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 \
    -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_SHARED_LINKER_FLAGS=-fuse-ld=lld "${flags[@]}" >"$folder.log" 2>&1 \
    || { cat "$folder.log" >&2; die "cmake failed (above)"; }
  rm -f "$folder.log"
  say "building"
  cmake --build "$folder" ${*:+--target "$@"} >&2 || die "the build failed (above)"
}
