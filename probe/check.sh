#!/bin/sh
# Run the probe's tests on each installed CPython that it supports, in .venv/probe-3.x, created once.
# The version of .venv is skipped: it runs these tests with the whole suite.
set -eu
cd "$(CDPATH='' cd "$(dirname "$0")/.." && pwd)"
packages='pytest>=8.4 pytest-timeout>=2.4 pytest-asyncio pytest-xdist fastapi>=0.100 httpx uvicorn>=0.30
prometheus-client>=0.20 opentelemetry-sdk>=1.30'

has_version() { [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$2" ]; }

find_python() {
    for python in "python$1" "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$1".*/bin/python; do
        if has_version "$python" "$1"; then
            printf '%s\n' "$python"
            return
        fi
    done
    return 1
}

# Failed tests run once more: load on a shared machine can fail a timing test once.
run_tests() {
    PYTHONPATH=probe "$folder/bin/python" -B -m pytest -q --noconftest -c probe/pyproject.toml \
        --rootdir=. tests/probe "$@"
}

for version in 3.9 3.10 3.11 3.12 3.13; do
    has_version .venv/bin/python "$version" && continue
    folder=.venv/probe-$version
    if [ "$(cat "$folder/made-from" 2>/dev/null)" != "$packages" ]; then
        python=$(find_python "$version") || { echo "skipped: Python $version not found"; continue; }
        "$python" -m venv --clear "$folder" >/dev/null 2>&1 ||
            { echo "skipped: Python $version cannot create a virtual environment"; continue; }
        # shellcheck disable=SC2086  # several packages
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check $packages
        printf '%s\n' "$packages" >"$folder/made-from"
    fi
    printf 'Python %s: ' "$version"
    run_tests || run_tests --last-failed --last-failed-no-failures none
done
