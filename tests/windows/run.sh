#!/bin/sh
# Builds the modules that open evidence for Windows and runs their tests under Wine, as TAMIS_WINE_TESTS (`require`, `auto`, `off`) asks. Debian:
# `wine64 gcc-mingw-w64-x86-64`, and `rustup target add x86_64-pc-windows-gnu`.
set -eu
cd "$(dirname "$0")/../.."
wanted=${TAMIS_WINE_TESTS:-auto}
wine=$(command -v wine64 || command -v wine || echo /usr/lib/wine/wine64)
if [ "$wanted" = off ] || { [ "$wanted" = auto ] && [ ! -x "$wine" ]; }; then
  echo "skipped: the tests of paths of Windows (TAMIS_WINE_TESTS=$wanted, wine: $wine)"
  exit 0
fi
target=$PWD/target/windows-paths
mkdir -p "$target"
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="$wine" WINEPREFIX="$target/wine" WINEDEBUG=-all
# Wine before 9.0 has no such DLL; the folder that holds it is searched like PATH.
x86_64-w64-mingw32-gcc -shared -o "$target/bcryptprimitives.dll" tests/windows/bcryptprimitives.c -ladvapi32
export WINEPATH="$target"
cargo test --manifest-path tests/windows/Cargo.toml --target-dir "$target" --target x86_64-pc-windows-gnu "$@"
