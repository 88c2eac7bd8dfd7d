#!/bin/sh
# Every check and test; sets itself up on first use.
#   sh tests/run.sh                 everything
#   sh tests/run.sh --quick         for daily work: the checks and tests that need no server
#   sh tests/run.sh --slow          the rest: compiled servers, and tests with real servers
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
    step 'arrows between the folders: import-linter'
    "$bin/lint-imports" --no-cache
}

# Both at once: the probe's tests mostly wait, compilers do not. They build what the slow tests start.
check_others() {
    step 'the probe with the other Pythons that it supports: pytest'
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

# A file's tests share servers, so they stay in one process.
run_at_once() { "$bin/python" -m pytest --numprocesses auto --dist loadfile "$@"; }

# Other people's load on a shared machine can fail a test of real servers; it does not fail it twice.
run_failed_again() {
    step "tests that failed, by themselves: pytest"
    "$bin/python" -m pytest --last-failed --last-failed-no-failures none "$@"
}

run_quick() {
    check_python
    step 'tests without servers, as many at once as there are cores: pytest'
    run_at_once -m 'not slow' "$@"
}

run_slow() {
    check_others
    step 'tests that ask real servers and time nothing, at once: pytest'
    run_at_once -m 'slow and untimed' --durations=12 || run_failed_again -m 'slow and untimed'
    step 'tests that time real servers, one after the other: pytest'
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
