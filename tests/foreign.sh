#!/bin/sh
# The test suites of Starlette, FastAPI, anyio and httpx2 from their source packages, without the
# probe and with it in front of every app: each test must have the same outcome.
#   sh tests/foreign.sh                    all of them, about half an hour
#   sh tests/foreign.sh starlette==1.10.0  these
# It loads source packages and what the suites need into build/foreign.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
sh setup.sh --dev
root=$(pwd -P)
place=$root/build/foreign
installed() { .venv/bin/python -c "import importlib.metadata as m; print('$1==' + m.version('$1'))"; }
[ $# -gt 0 ] || set -- "$(installed starlette)" "$(installed fastapi)" "$(installed anyio)" "$(installed httpx2)"

# what each suite imports besides its own package
needs() {
    case $1 in
        starlette) echo 'httpx httpx2 itsdangerous jinja2 python-multipart pyyaml trio typing-extensions opentelemetry-sdk' ;;
        fastapi) echo 'httpx httpx2 dirty-equals sqlmodel flask pyjwt pwdlib[argon2] inline-snapshot pytest-httpx anyio[trio] python-multipart jinja2 itsdangerous pyyaml email-validator orjson ujson opentelemetry-sdk pydantic-settings pydantic-extra-types strawberry-graphql a2wsgi coverage' ;;
        anyio) echo 'trio uvloop hypothesis psutil pytest-mock trustme blockbuster exceptiongroup truststore' ;;
        httpx2) echo 'trio trustme chardet uvicorn pytest-httpbin brotli zstandard h2 socksio click rich pygments cryptography anyio[trio]' ;;
        *) echo '' ;;
    esac
}

code=0
printf '| suite | tests | passed | failed | skipped | changed by the probe |\n|---|---:|---:|---:|---:|---:|\n'
for package in "$@"; do
    name=${package%%==*} version=${package##*==}
    here=$place/$name-$version
    if [ ! -e "$here/ready" ]; then
        rm -rf "$here" && mkdir -p "$here"
        .venv/bin/python -m venv "$here/venv"
        "$here/venv/bin/pip" download --quiet --no-binary "$name" --no-deps --dest "$here" "$package" >&2
        mkdir "$here/source" && tar -xzf "$here"/*.tar.gz -C "$here/source" --strip-components=1
        # shellcheck disable=SC2046  # several words
        "$here/venv/bin/pip" install --quiet "$package" pytest pytest-timeout $(needs "$name") >&2
        : >"$here/ready"
    fi
    if [ ! -d "$here/source/tests" ]; then
        echo "$name $version: its source package has no tests; copy them from its repository to $here/source" >&2
        continue
    fi
    for how in without with; do
        journals=
        [ "$how" = without ] || journals=$here/journals
        rm -rf "$here/journals" && mkdir "$here/journals"
        (
            cd "$here/source"
            PROBE_JOURNALS=$journals OUTCOMES=$here/$how.json PYTHONPATH=$root/tests/foreign:$root/probe \
                timeout 1800 "$here/venv/bin/python" -B -m pytest -q -p probe_in_front --timeout 120 \
                -o addopts= -p no:cacheprovider --continue-on-collection-errors tests >"$here/$how.log" 2>&1
        ) || [ -s "$here/$how.json" ] || { echo "$name: the suite did not end; see $here/$how.log" >&2; code=1; continue 2; }
    done
    .venv/bin/python tests/foreign/compare.py "$name" "$version" "$here/without.json" "$here/with.json" || code=1
done
exit "$code"
