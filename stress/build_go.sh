#!/bin/sh
# Builds the Go program in the current folder unless a binary of these sources is kept already;
# prints its path, and only that: NAME HINT [OPTION OF GO BUILD ...]. HINT: what to do without go.
# ONLY=--kept builds nothing, and ends with 4 where it would have to.
set -eu

name=$1 hint=$2
shift 2
fail() { printf 'build.sh: %s\n' "$1" >&2; exit 3; }

command -v go >/dev/null 2>&1 || fail "no go on the PATH; $hint"
export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS=''

# All that the binary is made of, the options of the build included.
made_of() {
    go version
    echo "$@"
    for file in *.go go.*; do
        case $file in *_test.go) ;; *) cat "$file" ;; esac
    done
}
sum=$(made_of "$@" | cksum | tr ' ' -)

# Outside the sources, which may be read-only, and a second copy of them finds what the first built.
caches=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
folder=$caches/asyncio-vs-threads
if [ -z "$caches" ] || ! mkdir -p "$folder" 2>/dev/null || [ ! -w "$folder" ]; then
    folder=$(pwd)/bin
    mkdir -p "$folder" 2>/dev/null || fail "can't write to $caches/asyncio-vs-threads; XDG_CACHE_HOME names another folder"
fi
# Go has its own caches under HOME too. What it downloads shall be as easy to remove as the rest.
[ -w "${HOME:-}" ] ||
    export GOCACHE="${GOCACHE:-$folder/go-build}" GOPATH="${GOPATH:-$folder/go}" GOFLAGS=-modcacherw

binary=$folder/$name-$sum
if [ ! -x "$binary" ]; then
    [ "${ONLY-}" != --kept ] || exit 4
    # Two builds at once must not see each other's half: each has a name of its own until mv.
    new=$binary.$$
    trap 'rm -f "$new"' EXIT
    trap 'exit 3' HUP INT TERM
    said=$(go build -buildvcs=false -trimpath "$@" -o "$new" . 2>&1) ||
        fail "go build failed: $(printf '%s\n' "$said" | grep -v -e '^#' -e '^go: downloading' | head -n 1)"
    mv -f "$new" "$binary"
fi
printf '%s\n' "$binary"
