#!/bin/sh
# The whole study: every cell of classic and fair (with --quick: four of them), a fresh server for
# each. It says first how long it takes.
# Options are those of `study run`, such as --quick, --trials 5 or --no-peers.
set -eu
root=$(dirname "$(dirname "$(readlink -f "$0")")")
sh "$root/setup.sh"
exec "$root/.venv/bin/study" run "$@"
