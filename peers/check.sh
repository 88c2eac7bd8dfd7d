#!/bin/sh
# Run formatters, linters and tests of the compiled servers whose toolchains are installed.
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
    # Another profile than the measured binary, in a folder of its own. Without symbols it builds in
    # half the time.
    cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    [ -z "$cache" ] || export CARGO_TARGET_DIR="$cache/asyncio-vs-threads/axum-checks"
    (
        cd axum
        export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
        cargo fmt --check
        cargo clippy --quiet --all-targets -- -D warnings
        cargo test --quiet
    )
else
    echo 'left out: no cargo on the PATH for peers/axum'
fi

# Build the servers for the tests: a first build takes minutes, and a test may take one.
if command -v go >/dev/null 2>&1; then
    sh gin/build.sh >/dev/null
    sh ../slow_upstream/build.sh >/dev/null
fi
if command -v cargo >/dev/null 2>&1; then
    sh axum/build.sh >/dev/null
fi
