#!/bin/sh
# Runs the upstream, and gunicorn with one uvicorn worker on 127.0.0.1:4242, until Ctrl-C.
# Takes the options of `study serve`: --port, --workers, --pool, --loop, --delay 500ms, ...
set -eu
root=$(dirname "$(readlink -f "$0")")
sh "$root/setup.sh"
exec "$root/.venv/bin/study" serve "$@"
