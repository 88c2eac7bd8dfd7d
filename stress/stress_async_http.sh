#!/bin/sh
# Drives async-http of the catalogue: on the server of serve.sh if that runs, else on one of its own.
# Options are those of `study run`: --users 100, --duration 10s, --quick, ...
set -eu
root=$(dirname "$(dirname "$(readlink -f "$0")")")
sh "$root/setup.sh"
exec "$root/.venv/bin/study" run async-http --served "$@"
