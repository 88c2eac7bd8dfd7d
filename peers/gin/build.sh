#!/bin/sh
# Builds the peer unless a binary of these sources is kept already; prints its path, and only that.
set -eu
cd "$(CDPATH='' cd "$(dirname "$0")" && pwd -P)"

fail() { printf 'build.sh: %s\n' "$1" >&2; exit 3; }

command -v go >/dev/null 2>&1 || fail 'no go on the PATH; install Go 1.26 or newer, or leave gin out'
export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS=''

# All that the binary is made of, this script's options of the build included.
made_of() {
    go version
    for file in *.go go.mod go.sum build.sh; do
        case $file in *_test.go) ;; *) cat "$file" ;; esac
    done
}
sum=$(made_of | cksum | tr ' ' -)

# Outside this tree, so that a second clone finds what the first has built.
caches=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
folder=$caches/asyncio-vs-threads
if [ -z "$caches" ] || ! mkdir -p "$folder" 2>/dev/null || [ ! -w "$folder" ]; then
    folder=$(pwd)/bin
    mkdir -p "$folder" || fail "can't write to $folder"
fi
# Go has its own caches under HOME too. What it downloads shall be as easy to remove as the rest.
[ -w "${HOME:-}" ] ||
    export GOCACHE="${GOCACHE:-$folder/go-build}" GOPATH="${GOPATH:-$folder/go}" GOFLAGS=-modcacherw

binary=$folder/gin-$sum
if [ ! -x "$binary" ]; then
    # Two builds at once must not see each other's half: each has a name of its own until mv.
    new=$binary.$$
    trap 'rm -f "$new"' EXIT
    trap 'exit 3' HUP INT TERM
    said=$(go build -buildvcs=false -trimpath -ldflags='-s -w' -tags nomsgpack -o "$new" . 2>&1) ||
        fail "go build failed: $(printf '%s\n' "$said" | grep -v -e '^#' -e '^go: downloading' | head -n 1)"
    mv -f "$new" "$binary"
fi
printf '%s\n' "$binary"
