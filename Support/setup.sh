#!/bin/sh
# Installs the Debian packages that are missing, and nothing else.
#
# usage: Support/setup.sh run|test|peers
#
# NORMGEN_LLVM chooses the LLVM, by default 19. SwiftPM evaluates the manifest once, so this comes
# before the first build.
set -eu

llvm=${NORMGEN_LLVM:-19}
case $llvm in
  none) packages= ;;
  14 | 19 | 22) packages="llvm-$llvm-dev libclang-$llvm-dev libclang-cpp$llvm-dev" ;;
  *)
    echo "error: NORMGEN_LLVM: expected 19, 22, 14 or none, found '$llvm'" >&2
    exit 1
    ;;
esac
case ${1-} in
  run) ;;
  test)
    # Compilers for the emitted C, and the machines that targets are emulated on.
    packages="$packages gcc binutils python3 qemu-user-static gcc-aarch64-linux-gnu"
    packages="$packages libc6-dev-arm64-cross bochs bochs-term"
    ;;
  peers)
    # A compiler for the emitted C; torch.compile needs one for C++.
    packages="$packages gcc g++ python3 python3-venv"
    ;;
  *)
    echo "usage: Support/setup.sh run|test|peers" >&2
    exit 64
    ;;
esac

if ! command -v swift >/dev/null; then
  echo "error: Swift 6.2 or later is needed and 'swift' is not in PATH; see swift.org/install" >&2
  exit 1
fi

missing=
for package in $packages; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  if [ "$status" != "install ok installed" ]; then missing="$missing $package"; fi
done
if [ -z "$missing" ]; then exit 0; fi

if ! command -v apt-get >/dev/null; then
  echo "error: these Debian packages, or what corresponds to them, are needed:$missing" >&2
  exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
  root=
elif command -v sudo >/dev/null; then
  root=sudo
else
  echo "error: neither root nor sudo; as root, run: apt-get install$missing" >&2
  exit 1
fi

echo "installing$missing"
# The lists of packages may be absent or old.
$root apt-get update -q
# shellcheck disable=SC2086 # a list of words
$root env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends $missing
