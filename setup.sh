#!/bin/sh
# Makes .venv from pyproject.toml and the pins of constraints.txt. Does nothing when it is up to date.
# Used by every other script here; PYTHON=python3.13 sh setup.sh takes another interpreter.
set -eu
cd "$(dirname "$(readlink -f "$0")")"

fail() { printf 'setup: %s\n' "$1" >&2; exit 3; }

stamp=.venv/.made-from
wanted=$( (pwd -P; cat pyproject.toml constraints.txt setup.sh) | cksum)
[ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0

[ -w . ] || fail "$(pwd) can't be written to; clone it to a folder of yours"
python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || fail "no $python here; install Python 3.11 or newer, or name one: PYTHON=... sh setup.sh"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; Python 3.11 or newer is needed: PYTHON=... sh setup.sh"

printf 'setup: making .venv (once, about a minute) ...\n' >&2
wants=$(mktemp)
log=$(mktemp)
trap 'rm -f "$wants" "$log"' EXIT
"$python" - >"$wants" <<'PY'
import tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
print("\n".join(project["dependencies"] + project["optional-dependencies"]["dev"]))
PY

if command -v uv >/dev/null 2>&1; then
    { uv venv --quiet --allow-existing --python "$python" .venv &&
        uv pip install --quiet --python .venv/bin/python -c constraints.txt -r "$wants"; } >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        fail "uv could not install the packages (its last words are above): is there a network?"
    }
else
    "$python" -m venv .venv >"$log" 2>&1 || {
        tail -n 3 "$log" >&2
        fail "$python could not make .venv (see above); on Debian or Ubuntu: apt-get install python3-venv"
    }
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r "$wants" >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        fail "pip could not install the packages (its last words are above): is there a network?"
    }
fi

# The command `study` sees this folder; nothing else that runs in .venv does, so that names like
# `app` or `stress` of ours never stand in the way of a user's own modules. Signals are answered
# from the first moment, imports included.
cat >.venv/bin/study <<'SH'
#!/bin/sh
root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd -P)
exec "$root/.venv/bin/python" -P -c '
import os, signal, sys
def answer(how):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: how(130))
answer(os._exit)  # nothing has begun, and an exception in mid-import may end anywhere
sys.path.insert(0, sys.argv.pop(1))
from study.cli import main
answer(sys.exit)
sys.exit(main())
' "$root" "$@"
SH
chmod +x .venv/bin/study
printf '%s\n' "$wanted" >"$stamp"
