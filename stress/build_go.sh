#!/bin/sh
# Builds the Go program in the current folder unless the cache has a binary of these sources, and
# prints only its path. Arguments: NAME HINT [OPTION OF GO BUILD ...]. HINT: what to do without go.
# ONLY=--kept never builds; it exits with 4 if a build is needed.
set -eu

name=$1 hint=$2
shift 2
fail() { printf 'build.sh: %s\n' "$1" >&2; exit 3; }

command -v go >/dev/null 2>&1 || fail "no go on the PATH; $hint"
export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS=''

# Everything that determines the binary, including the build options.
made_of() {
    go version
    echo "$@"
    for file in *.go go.*; do
        case $file in *_test.go) ;; *) cat "$file" ;; esac
    done
}
sum=$(made_of "$@" | cksum | tr ' ' -)

# Outside the sources, which may be read-only. Another copy of the sources finds the same binary.
caches=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
folder=$caches/asyncio-vs-threads
if [ -z "$caches" ] || ! mkdir -p "$folder" 2>/dev/null || [ ! -w "$folder" ]; then
    folder=$(pwd)/bin
    mkdir -p "$folder" 2>/dev/null || fail "cannot write to $caches/asyncio-vs-threads; set XDG_CACHE_HOME to another folder"
fi
# Without a writable HOME, Go keeps its caches here too. -modcacherw lets the user delete them.
[ -w "${HOME:-}" ] ||
    export GOCACHE="${GOCACHE:-$folder/go-build}" GOPATH="${GOPATH:-$folder/go}" GOFLAGS=-modcacherw

binary=$folder/$name-$sum
if [ ! -x "$binary" ]; then
    [ "${ONLY-}" != --kept ] || exit 4
    # Two builds at once must not see each other's partial file: each has its own name until mv.
    new=$binary.$$
    trap 'rm -f "$new"' EXIT
    trap 'exit 3' HUP INT TERM
    said=$(go build -buildvcs=false -trimpath "$@" -o "$new" . 2>&1) ||
        fail "go build failed: $(printf '%s\n' "$said" | grep -v -e '^#' -e '^go: downloading' | head -n 1)"
    mv -f "$new" "$binary"
fi
printf '%s\n' "$binary"
