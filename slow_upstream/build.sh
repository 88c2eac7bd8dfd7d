#!/bin/sh
# Builds the Go upstream unless it is kept already; prints its path, and only that.
set -eu
cd "$(CDPATH='' cd "$(dirname "$0")" && pwd -P)/go"
exec sh ../../stress/build_go.sh slow-upstream 'install Go 1.22 or newer, or use the Python upstream'
