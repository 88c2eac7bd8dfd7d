#!/bin/sh
# Runs every check and test, after setup.sh --dev.
#   sh tests/run.sh                 everything
#   sh tests/run.sh --quick         for daily work: Python checks, and tests without servers
#   sh tests/run.sh --slow          everything else: compiled servers, and tests with real servers
#   sh tests/run.sh --faults        every row of the fault matrix (tests/faults), about an hour
#   sh tests/run.sh -m "not slow"   every check, then pytest with these options
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
sh setup.sh --dev
export PYTHONPATH=.:probe
bin=.venv/bin

step() { printf '\n== %s\n' "$1"; }

check_python() {
    step 'shell scripts: shellcheck'
    git ls-files '*.sh' .ci/run | xargs "$bin/shellcheck"
    step 'style: ruff'
    "$bin/ruff" check .
    "$bin/ruff" format --check .
    step 'types: mypy --strict'
    "$bin/mypy" --num-workers auto
    step 'imports between folders: import-linter'
    "$bin/lint-imports" --no-cache
}

# Both at once: the probe's tests mostly wait, compilers do not. The slow tests start what they build.
check_others() {
    step 'the probe on its other supported Python versions: pytest'
    said=$(mktemp)
    sh peers/check.sh >"$said" 2>&1 &
    peers=$!
    trap 'kill "$peers" 2>/dev/null || :; rm -f "$said"' EXIT
    trap 'exit 130' INT TERM
    sh probe/check.sh
    code=0
    wait "$peers" || code=$?
    step 'compiled servers: gofmt, go vet, go test; cargo fmt, clippy, test'
    cat "$said"
    rm -f "$said"
    trap - EXIT INT TERM
    return "$code"
}

# The tests of one file share servers, so one process runs them.
run_at_once() { "$bin/python" -m pytest --numprocesses auto --dist loadfile "$@"; }

# Other load on a shared machine can fail a test with real servers once, but rarely twice.
run_failed_again() {
    step "failed tests again, alone: pytest"
    "$bin/python" -m pytest --last-failed --last-failed-no-failures none "$@"
}

run_quick() {
    check_python
    step 'tests without servers, one per core: pytest'
    run_at_once -m 'not slow' "$@"
}

run_slow() {
    check_others
    step 'untimed tests with real servers, in parallel: pytest'
    run_at_once -m 'slow and untimed' --durations=12 || run_failed_again -m 'slow and untimed'
    step 'timed tests with real servers, one at a time: pytest'
    "$bin/python" -m pytest -m 'slow and not untimed' --durations=12 ||
        run_failed_again -m 'slow and not untimed'
}

case ${1-} in
    '')
        run_quick
        run_slow
        ;;
    --quick)
        shift
        run_quick "$@"
        ;;
    --slow) run_slow ;;
    --faults)
        step 'every row of the fault matrix: pytest'
        STUDY_FAULTS=1 "$bin/python" -m pytest tests/faults tests/process/test_schemathesis.py --durations=12
        ;;
    *)
        check_python
        check_others
        step 'tests: pytest'
        "$bin/python" -m pytest "$@"
        ;;
esac
