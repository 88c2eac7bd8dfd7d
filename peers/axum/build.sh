#!/bin/sh
# Build the Axum peer if no binary of these sources is in the cache; print only its path.
# --kept builds nothing, and exits with 4 if a build is needed. Cargo's progress goes to stderr.
set -eu
cd "$(CDPATH='' cd "$(dirname "$0")" && pwd)"

fail() { printf 'build.sh: %s\n' "$1" >&2; exit 3; }

# Outside the clone, so that a second clone does not compile again.
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}/asyncio-vs-threads
case $cache in
    /?*/asyncio-vs-threads) mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || cache=$(pwd)/target ;;
    *) cache=$(pwd)/target ;;
esac

sources=$({ uname -sm; find Cargo.toml src -type f | LC_ALL=C sort | xargs cksum; } |
    cksum | tr ' ' -)
binary=$cache/axum-$sources
if [ ! -x "$binary" ]; then
    command -v cargo >/dev/null 2>&1 ||
        fail "no cargo on the PATH; install Rust 1.94 or newer from your system's packages or rustup, or leave axum out"
    [ "${1-}" != --kept ] || exit 4
    # Two builds at once must not see each other's partial results: they share only what cargo locks
    # while it builds, and each has a folder of its own until mv.
    own=$binary.$$
    trap 'rm -rf "$own"' EXIT
    trap 'exit 3' HUP INT TERM
    # Cargo writes its lock file next to the sources, which may be read-only.
    mkdir -p "$own" 2>/dev/null || fail "$cache can't be written to; XDG_CACHE_HOME names another folder"
    cp -R Cargo.toml src "$own"
    cd "$own"
    export CARGO_BUILD_BUILD_DIR="$cache/axum-target" CARGO_TARGET_DIR="$own/target"
    # Cargo compares the sources' dates, and those of another clone may be newer. With the checksum
    # among the compiler's arguments, it compares their contents.
    cargo rustc --release -- -C metadata="$sources" >&2 || fail 'cargo failed'
    # A copy, because cargo's own file is a link to the file that the next build overwrites.
    cp "$own/target/release/axum-peer" "$own/axum-peer"
    mv -f "$own/axum-peer" "$binary"
fi
printf '%s\n' "$binary"
