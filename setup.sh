#!/bin/sh
# Makes .venv from pyproject.toml and the pins of constraints.txt. Does nothing when it is up to date.
#   sh setup.sh         what the study needs
#   sh setup.sh --dev   and what its checks and tests need
# Used by every other script here; PYTHON=python3.13 sh setup.sh takes another interpreter.
set -eu
cd "$(dirname "$(readlink -f "$0")")"

fail() { printf 'setup: %s\n' "$1" >&2; exit 3; }

case ${1-} in
    '') extras='all niquests' loads='200 MB' takes='650 MB' ;;
    --dev) extras='all niquests dev' loads='310 MB' takes='1.1 GB' ;;
    *) printf 'setup: %s: nothing, or --dev\n' "$1" >&2; exit 2 ;;
esac

# What .venv was made from, and which extras it has: those of --dev are more.
stamp=.venv/.made-from
wanted=$( (pwd -P; cat pyproject.toml constraints.txt setup.sh) | cksum)
is_made() {
    [ -x .venv/bin/python ] || return 1
    made=$(cat "$stamp" 2>/dev/null) || return 1
    [ "$made" = "$wanted all niquests dev" ] || [ "$made" = "$wanted $extras" ]
}
! is_made || exit 0

[ -w . ] || fail "$(pwd) can't be written to; clone it to a folder of yours"
python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || fail "no $python here; install Python 3.11 or newer, or name one: PYTHON=... sh setup.sh"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; Python 3.11 or newer is needed: PYTHON=... sh setup.sh"

# One set-up at a time: this shell holds the lock for as long as it lives.
exec 9<pyproject.toml
"$python" - <<'PY'
import fcntl
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("setup: waiting for another set-up of this folder ...", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
PY
! is_made || exit 0

# What an interrupted set-up has left can't be told from what is whole.
unfinished=.venv/.unfinished
[ ! -e "$unfinished" ] || rm -rf .venv
mkdir -p .venv/.temporary
: >"$unfinished"
export TMPDIR="$PWD/.venv/.temporary"
printf 'setup: making .venv (once, some minutes): loads about %s, takes %s of disk ...\n' "$loads" "$takes" >&2
# Nothing else speaks while packages load. It holds no lock, and ends with this shell, however that ends.
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
# niquests stands on urllib3-future, whose wheel would take urllib3's place for all the others
export URLLIB3_NO_OVERRIDE=1

if command -v uv >/dev/null 2>&1; then
    { uv venv --quiet --allow-existing --python "$python" .venv &&
        uv pip install --quiet --python .venv/bin/python -c constraints.txt -r .venv/.wanted; } >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        fail "uv could not install the packages (its last words are above): is there a network?"
    }
else
    "$python" -m venv .venv >"$log" 2>&1 || {
        tail -n 3 "$log" >&2
        fail "$python could not make .venv (see above); on Debian or Ubuntu: apt-get install python3-venv"
    }
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r .venv/.wanted >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        fail "pip could not install the packages (its last words are above): is there a network?"
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
