#!/bin/sh
# Build the peer unless it is in the cache; print only its path. --kept: see stress/build_go.sh.
set -eu
cd "$(CDPATH='' cd "$(dirname "$0")" && pwd -P)"
export ONLY="${1-}"
exec sh ../../stress/build_go.sh gin 'install Go 1.26 or newer, or leave gin out' -ldflags='-s -w' -tags nomsgpack
