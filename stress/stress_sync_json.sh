#!/bin/sh
# Drives sync-json of the catalogue: on the server of serve.sh if that runs, else on one of its own.
# Options are those of `study run`: --users 100, --duration 10s, --quick, ...
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
sh setup.sh
exec .venv/bin/study run sync-json --served "$@"
