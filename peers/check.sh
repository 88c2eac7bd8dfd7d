#!/bin/sh
# Formatters, linters and tests of the compiled servers, each where its toolchain is.
set -eu
cd "$(CDPATH='' cd "$(dirname "$0")" && pwd)"

if command -v go >/dev/null 2>&1; then
    unformatted=$(gofmt -l gin ../slow_upstream/go)
    [ -z "$unformatted" ] || { printf 'gofmt -w %s\n' "$unformatted" >&2; exit 1; }
    (cd gin && GOFLAGS='' GOTOOLCHAIN=local go vet ./... && GOFLAGS='' GOTOOLCHAIN=local go test ./...)
else
    echo 'left out: no go on the PATH for peers/gin'
fi

if command -v cargo >/dev/null 2>&1; then
    # What the checks build, beside what is measured: another profile, and as rarely built anew.
    cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    [ -z "$cache" ] || export CARGO_TARGET_DIR="$cache/asyncio-vs-threads/axum-checks"
    cd axum
    cargo fmt --check
    cargo clippy --quiet --all-targets -- -D warnings
    cargo test --quiet
else
    echo 'left out: no cargo on the PATH for peers/axum'
fi
