#!/bin/sh
# Builds the Go upstream if it is missing or older than its sources; prints its path, and only that.
set -eu
cd "$(CDPATH='' cd "$(dirname "$0")" && pwd)/go"

fail() { printf 'build.sh: %s\n' "$1" >&2; exit 3; }

binary=bin/slow-upstream
# The folder itself is newer when a source has been removed.
changed=$(find . -path ./bin -prune -o \( -name '*.go' -o -name go.mod -o -name . \) -newer "$binary" -print 2>&1) ||
    changed=missing
if [ ! -x "$binary" ] || [ -n "$changed" ]; then
    command -v go >/dev/null 2>&1 ||
        fail 'no go on the PATH; install Go 1.22 or newer, or use the Python upstream'
    mkdir -p bin
    # Two builds at once must not see each other's half: each has a name of its own until mv.
    new=$binary.$$
    trap 'rm -f "$new"' EXIT
    export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS='' GOWORK=off
    said=$(go build -buildvcs=false -trimpath -o "$new" . 2>&1) ||
        fail "go build failed: $(printf '%s\n' "$said" | grep -v '^#' | head -n 1)"
    mv -f "$new" "$binary"
fi
printf '%s\n' "$(pwd)/$binary"
