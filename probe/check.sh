#!/bin/sh
# The probe's tests on each CPython that it supports and that is found here, each with packages of
# its own in .venv/probe-3.x, made once. The Python of .venv itself runs them with all other tests.
set -eu
cd "$(CDPATH='' cd "$(dirname "$0")/.." && pwd)"
packages='pytest>=8.4 pytest-timeout>=2.4 fastapi>=0.100'

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

# Other load on a shared machine can fail a test of threads; it does not fail it twice.
run_tests() {
    PYTHONPATH=probe "$folder/bin/python" -B -m pytest -q --noconftest -c probe/pyproject.toml \
        --rootdir=. tests/probe "$@"
}

for version in 3.9 3.10 3.11 3.12 3.13; do
    has_version .venv/bin/python "$version" && continue
    folder=.venv/probe-$version
    if [ "$(cat "$folder/made-from" 2>/dev/null)" != "$packages" ]; then
        python=$(find_python "$version") || { echo "left out: no Python $version here"; continue; }
        "$python" -m venv --clear "$folder" >/dev/null 2>&1 ||
            { echo "left out: Python $version can't make a virtual environment"; continue; }
        # shellcheck disable=SC2086  # several packages
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check $packages
        printf '%s\n' "$packages" >"$folder/made-from"
    fi
    printf 'Python %s: ' "$version"
    run_tests || run_tests --last-failed --last-failed-no-failures none
done
