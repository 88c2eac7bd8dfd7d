#!/bin/sh
# Runs scenario async-http-sync on the server of serve.sh if that runs, otherwise on a new one.
# Takes the options of `study run`: --users 100, --duration 10s, --quick, ...
set -eu
root=$(dirname "$(dirname "$(readlink -f "$0")")")
sh "$root/setup.sh"
exec "$root/.venv/bin/study" run async-http-sync --served "$@"
