"""build.sh decides when to build; a stand-in for `go` shows what it was asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "slow_upstream"
TOOLS = ("sh", "chmod", "dirname", "find", "grep", "head", "mkdir", "mv", "rm")
PRETEND_GO = """#!/bin/sh
echo "$CGO_ENABLED $GOTOOLCHAIN [$GOFLAGS]" >>../calls
[ ! -e ../broken ] || { echo '# slow-upstream' >&2; echo './main.go:1: nonsense' >&2; exit 1; }
while [ "$1" != -o ]; do shift; done
echo binary >"$2"
chmod +x "$2"
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources in a folder with a space, and a PATH that holds only what it needs."""
    folder = tmp_path / "a copy"
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("bin", "__pycache__"))
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tools / tool).symlink_to(found)
    (tools / "go").write_text(PRETEND_GO)
    (tools / "go").chmod(0o755)
    return folder


def build(folder: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", os.path.relpath(folder / "build.sh", cwd)],
        cwd=cwd,
        env={"PATH": str(folder.parent / "tools"), "CDPATH": "/", "GOFLAGS": "-mod=mod"},
        capture_output=True,
        text=True,
        timeout=20,
    )


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_it_builds_once_and_prints_only_the_path(copy: Path) -> None:
    for cwd in (copy, copy.parent, copy / "go"):
        done = build(copy, cwd)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{copy.resolve()}/go/bin/slow-upstream\n"
    assert calls(copy) == ["0 local []"]
    assert [file.name for file in (copy / "go/bin").iterdir()] == ["slow-upstream"]


@pytest.mark.parametrize("name", ["ledger.go", "go.mod"])
def test_a_newer_source_builds_again(copy: Path, name: str) -> None:
    build(copy, copy)
    newer = (copy / "go/bin/slow-upstream").stat().st_mtime + 10
    os.utime(copy / "go" / name, (newer, newer))
    build(copy, copy)
    assert len(calls(copy)) == 2


def test_without_go_it_says_so_in_one_line(copy: Path) -> None:
    (copy.parent / "tools/go").unlink()
    done = build(copy, copy)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("build.sh: no go on the PATH")
    assert done.stderr.count("\n") == 1


def test_a_binary_that_is_there_needs_no_go(copy: Path) -> None:
    build(copy, copy)
    (copy.parent / "tools/go").unlink()
    assert build(copy, copy).returncode == 0


def test_a_failed_build_gives_the_reason_and_leaves_nothing(copy: Path) -> None:
    (copy / "broken").touch()
    done = build(copy, copy)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "build.sh: go build failed: ./main.go:1: nonsense\n"
    assert list((copy / "go/bin").iterdir()) == []
