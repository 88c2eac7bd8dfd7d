#!/bin/sh
# The whole study: every cell of classic and fair (with --quick: four of them), a fresh server for
# each. It says first how long it takes.
# Options are those of `study run`, such as --quick, --trials 5 or --no-peers.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
sh setup.sh
exec .venv/bin/study run "$@"
