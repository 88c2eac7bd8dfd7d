#!/bin/sh
# Runs the whole study: every cell of classic and fair (with --quick: four of them), each on a fresh
# server. It first prints how long this takes.
# Takes the options of `study run`, such as --quick, --trials 5 or --no-peers.
set -eu
root=$(dirname "$(dirname "$(readlink -f "$0")")")
sh "$root/setup.sh"
exec "$root/.venv/bin/study" run "$@"
