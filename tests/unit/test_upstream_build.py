"""build.sh decides when to build, and where it keeps its builds; a stand-in for `go` records its
calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "cat", "chmod", "cksum", "dirname", "grep", "head", "mkdir", "mv", "rm", "tr")
PRETEND_GO = """#!/bin/sh
[ "$1" != version ] || { echo go1.99; exit; }
echo "$CGO_ENABLED $GOTOOLCHAIN [$GOFLAGS]" >>../calls
[ ! -e ../broken ] || { echo '# slow-upstream' >&2; echo './main.go:1: nonsense' >&2; exit 1; }
while [ "$1" != -o ]; do shift; done
echo binary >"$2"
chmod +x "$2"
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The upstream in a clone with a space in its path, and a PATH of only what it needs."""
    folder = tmp_path / "a clone" / "slow_upstream"
    shutil.copytree(ROOT / "slow_upstream", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder.parent / "stress").mkdir()
    shutil.copy(ROOT / "stress/build_go.sh", folder.parent / "stress")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tools / tool).symlink_to(found)
    (tools / "go").write_text(PRETEND_GO)
    (tools / "go").chmod(0o755)
    return folder


def build(
    folder: Path, cwd: Path, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    tools = folder.parent.parent / "tools"
    return subprocess.run(
        ["sh", os.path.relpath(folder / "build.sh", cwd), *options],
        cwd=cwd,
        env={"PATH": str(tools), "CDPATH": "/", "GOFLAGS": "-mod=mod", **variables},
        capture_output=True,
        text=True,
        timeout=20,
    )


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_it_builds_once_and_prints_only_the_path(copy: Path) -> None:
    cache = copy.parent.parent / "cache"
    for cwd in (copy, copy.parent, copy / "go"):
        done = build(copy, cwd, XDG_CACHE_HOME=str(cache), HOME=str(copy.parent))
        assert (done.returncode, done.stderr) == (0, "")
        (kept,) = (cache / "asyncio-vs-threads").iterdir()
        assert done.stdout == f"{kept}\n"
        assert kept.name.startswith("slow-upstream-")
    assert calls(copy) == ["0 local []"]
    assert not (copy / "go/bin").exists()


def test_it_says_whether_it_is_built_and_builds_nothing(copy: Path) -> None:
    done = build(copy, copy, "--kept")
    assert (done.returncode, done.stdout, done.stderr) == (4, "", "")
    assert not (copy / "calls").exists()
    path = build(copy, copy, ONLY="--kept").stdout  # a variable is not an option
    assert build(copy, copy, "--kept").stdout == path != ""
    assert len(calls(copy)) == 1


def test_it_is_kept_beside_the_sources_where_there_is_no_cache(copy: Path) -> None:
    done = build(copy, copy)
    (kept,) = [each for each in (copy / "go/bin").iterdir() if each.is_file()]
    assert done.stdout == f"{kept.resolve()}\n"


@pytest.mark.parametrize("name", ["ledger.go", "go.mod"])
def test_a_changed_source_builds_again(copy: Path, name: str) -> None:
    build(copy, copy)
    changed = copy / "go" / name
    changed.write_text(f"{changed.read_text()}// another\n")
    build(copy, copy)
    assert len(calls(copy)) == 2


def test_without_go_it_says_so_in_one_line(copy: Path) -> None:
    (copy.parent.parent / "tools/go").unlink()
    done = build(copy, copy)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("build.sh: no go on the PATH")
    assert done.stderr.count("\n") == 1


def test_a_failed_build_gives_the_reason_and_leaves_nothing(copy: Path) -> None:
    (copy / "broken").touch()
    done = build(copy, copy)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "build.sh: go build failed: ./main.go:1: nonsense\n"
    assert not [each for each in (copy / "go/bin").iterdir() if each.is_file()]
