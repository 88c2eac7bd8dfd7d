#!/bin/sh
# Creates .venv from pyproject.toml and the versions in constraints.txt, unless it is up to date.
#   sh setup.sh         the packages that the study needs
#   sh setup.sh --dev   also those that the checks and tests need
# Every other script here calls it. PYTHON=python3.13 sh setup.sh uses another interpreter.
set -eu
cd "$(dirname "$(readlink -f "$0")")"

fail() { printf 'setup: %s\n' "$1" >&2; exit 3; }

case ${1-} in
    '') extras='all niquests' loads='200 MB' takes='650 MB' ;;
    --dev) extras='all niquests dev' loads='310 MB' takes='1.1 GB' ;;
    *) printf 'setup: %s: unknown option; give --dev or nothing\n' "$1" >&2; exit 2 ;;
esac

# Records what .venv was created from and its extras; a --dev setup includes the smaller one.
stamp=.venv/.made-from
wanted=$( (pwd -P; cat pyproject.toml constraints.txt setup.sh) | cksum)
is_made() {
    [ -x .venv/bin/python ] || return 1
    made=$(cat "$stamp" 2>/dev/null) || return 1
    [ "$made" = "$wanted all niquests dev" ] || [ "$made" = "$wanted $extras" ]
}
! is_made || exit 0

[ -w . ] || fail "cannot write to $(pwd); clone the repository to a writable folder"
python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || fail "$python not found; install Python 3.11 or newer, or name one: PYTHON=... sh setup.sh"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; use Python 3.11 or newer: PYTHON=... sh setup.sh"

# One setup at a time: this shell holds the lock until it exits.
exec 9<pyproject.toml
"$python" - <<'PY'
import fcntl
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("setup: waiting for another setup in this folder ...", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
PY
! is_made || exit 0

# An interrupted setup may have left damaged files: start again.
unfinished=.venv/.unfinished
[ ! -e "$unfinished" ] || rm -rf .venv
mkdir -p .venv/.temporary
: >"$unfinished"
export TMPDIR="$PWD/.venv/.temporary"
printf 'setup: creating .venv (once; a few minutes): downloads about %s, uses %s of disk ...\n' "$loads" "$takes" >&2
# The only output while packages download. It holds no lock, and ends when this shell ends.
count_seconds() {
    seconds=0
    while sleep 8 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 8))
        printf 'setup: %s s so far\n' "$seconds" >&2
    done
}
count_seconds 9<&- &
counter=$!
trap 'kill "$counter" 2>/dev/null || :' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
log=.venv/.setup.log
"$python" - "$extras" >.venv/.wanted <<'PY'
import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
known = project["optional-dependencies"]
own = f"{project['name']}["


def list_packages(extra):
    for each in known[extra]:
        if each.startswith(own):
            for part in each.removeprefix(own).rstrip("]").split(","):
                yield from list_packages(part)
        else:
            yield each


packages = [each for extra in sys.argv[1].split() for each in list_packages(extra)]
print(*project["dependencies"], *packages, sep="\n")
print("--no-binary urllib3-future")
PY
# niquests needs urllib3-future, whose wheel would replace urllib3 for every other package.
export URLLIB3_NO_OVERRIDE=1

if command -v uv >/dev/null 2>&1; then
    { uv venv --quiet --allow-existing --python "$python" .venv &&
        uv pip install --quiet --python .venv/bin/python -c constraints.txt -r .venv/.wanted; } >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        fail "uv could not install the packages (see its output above); check the network"
    }
else
    "$python" -m venv .venv >"$log" 2>&1 || {
        tail -n 3 "$log" >&2
        fail "$python could not create .venv (see above); on Debian or Ubuntu: apt-get install python3-venv"
    }
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r .venv/.wanted >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        fail "pip could not install the packages (see its output above); check the network"
    }
fi

cat >.venv/bin/study <<'SH'
#!/bin/sh
root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P)
exec "$root/.venv/bin/python" -P "$root/study/entry.py" "$@"
SH
chmod +x .venv/bin/study
printf '%s\n' "$wanted $extras" >"$stamp"
rm -rf "$unfinished" "$TMPDIR"
