#!/bin/sh
# Every check and test; sets itself up on first use. `sh tests/run.sh -m "not slow"` passes options to pytest.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
sh setup.sh
export PYTHONPATH=.:probe
bin=.venv/bin

step() { printf '\n== %s\n' "$1"; }

step 'shell scripts: shellcheck'
git ls-files '*.sh' | xargs "$bin/shellcheck" --shell=sh
step 'style: ruff'
"$bin/ruff" check .
"$bin/ruff" format --check .
step 'types: mypy --strict'
"$bin/mypy"
step 'arrows between the folders: import-linter'
"$bin/lint-imports" --no-cache
step 'compiled servers: gofmt, go vet, go test; cargo fmt, clippy, test'
sh peers/check.sh
step 'tests of the probe: its own Pythons'
sh probe/check.sh
step 'tests: pytest'
exec "$bin/python" -m pytest "$@"
