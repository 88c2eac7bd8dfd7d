#!/bin/sh
# The whole study: every cell of classic and fair, a fresh server for each. --quick takes two and a half minutes.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
sh setup.sh
exec .venv/bin/study run classic fair "$@"
