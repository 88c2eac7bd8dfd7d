#!/bin/sh
# Builds the Go upstream unless the cache has it, and prints only its path. --kept: see
# stress/build_go.sh.
set -eu
cd "$(CDPATH='' cd "$(dirname "$0")" && pwd -P)/go"
export ONLY="${1-}"
exec sh ../../stress/build_go.sh slow-upstream 'install Go 1.22 or newer, or use the Python upstream'
