"""An installation as users have it: as a read-only tool, and as a clone whose path has a space.
Both run in a clean environment, from another folder."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.process.support import ROOT, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(600)]

PACKED = ("analysis", "app", "docs", "peers", "probe", "records", "scenarios", "slow_upstream",
          "stress", "study")  # fmt: skip
NOT_PACKED = re.compile(
    r".*/\.gitignore|.*\.png|docs/sample-run/.*|peers/(README\.md|check\.sh)|stress/stress_\w+\.sh"
    r"|probe/(check\.sh|pyproject\.toml|README\.md|LICENSE)|study/entry\.py"
)
"""Tracked files of these folders that only a clone needs, or that have moved."""
JUNK = (
    "peers/axum/target/release/axum-peer", "slow_upstream/go/bin/slow-upstream", "app/.env",
    "app/notes.txt", "stress/servers/gunicorn.log", "study/.idea/workspace.xml",
)  # fmt: skip
LOAD = (
    "--users", "10", "--duration", "2s", "--spawn-rate", "50", "--port", "0", "--no-predict",
    "--no-report",
)  # fmt: skip
UV = Path(sys.prefix) / "bin/uv"


def run(*command: str, where: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """An environment with a home of its own and without variables of ours. Downloads and builds of
    other packages are shared; builds of this project are not."""
    (where / "bin").mkdir(exist_ok=True)
    if not (where / "bin/uv").exists():
        (where / "bin/uv").symlink_to(UV)
    home, kept = Path.home(), ("LANG", "TERM", "PYTHONPY", "UV_", "GO", "CARGO_", "RUSTUP_", "SSL")
    env = {
        "UV_CACHE_DIR": str(home / ".cache/uv"), "GOCACHE": str(home / ".cache/go-build"),
        "GOPATH": str(home / "go"), "CARGO_HOME": str(home / ".cargo"),
        "RUSTUP_HOME": str(home / ".rustup"),
        **{key: each for key, each in os.environ.items() if key.startswith(kept)},
        "PATH": f"{where / 'bin'}:{os.environ['PATH']}", "HOME": str(where),
        "UV_PYTHON": sys.executable, "UV_CONSTRAINT": str(ROOT / "constraints.txt"),
        "UV_TOOL_DIR": str(where / "tools"), "UV_TOOL_BIN_DIR": str(where / "bin"),
    }  # fmt: skip
    return subprocess.run(
        command, cwd=where, env=env | variables, capture_output=True, text=True, timeout=500,
        check=False,
    )  # fmt: skip


def list_tracked() -> list[str]:
    return subprocess.check_output(("git", "ls-files"), cwd=ROOT, text=True).splitlines()


def copy_tracked(target: Path) -> None:
    for name in list_tracked():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


@pytest.fixture(scope="module", autouse=True)
def _compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The folder for Python's bytecode: outside the installation, and shared by all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the tracked files only, with other files around them."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    copy_tracked(source)
    for name in JUNK:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("not to be packed")
    done = run("uv", "build", "--wheel", "--out-dir", str(built), str(source), where=built)
    assert done.returncode == 0, done.stderr
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def tool(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose bin/study is the tool's; only the base package is installed."""
    folder = tmp_path_factory.mktemp("installed")
    done = run("uv", "tool", "install", f"asyncio-vs-threads @ {wheel.as_uri()}", where=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder that contains modules with the same names as ours; none of them may be imported."""
    for name in ("app", "analysis", "stress", "study", "probe", "asgi_probe"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    return tmp_path


@pytest.fixture
def untouched(tool: Path) -> Iterator[None]:
    """Read-only; root can write anyway, so for root: unchanged."""
    (package,) = tool.glob("tools/*/lib/python3*/site-packages/asyncio_vs_threads")
    files = [package, *package.rglob("*")]
    for path in files:
        path.chmod(path.stat().st_mode & ~0o222)
    before = {path: path.stat().st_mtime_ns for path in files}
    yield
    assert {path: path.stat().st_mtime_ns for path in (package, *package.rglob("*"))} == before


def test_what_is_packed_is_what_is_listed(wheel: Path) -> None:
    wanted = {name for name in list_tracked() if name.split("/")[0] in PACKED}
    wanted = {name for name in wanted if not NOT_PACKED.fullmatch(name)}
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {f"asyncio_vs_threads/{name}" for name in wanted | {"__init__.py"}}


def test_an_editable_install_is_refused(tmp_path: Path) -> None:
    done = run("uv", "tool", "install", "--editable", str(ROOT), where=tmp_path)
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if "asyncio-vs-threads: " in line]
    assert "sh setup.sh" in line


@pytest.mark.usefixtures("untouched")
def test_the_tool_does_everything_from_another_folder(tool: Path, elsewhere: Path) -> None:
    use_everything(tool / "bin/study", elsewhere)
    built = {path.name.partition("-")[0] for path in (elsewhere / "cache").glob("*/*")}
    assert built == ({"slow"} if shutil.which("go") else set())
    edited = elsewhere / "results/workshop/app/endpoints.py"
    assert edited.is_file()
    refused = run(str(tool / "bin/study"), "workshop", "1", "--edited", where=elsewhere)
    assert refused.returncode == 2
    named = edited.relative_to(elsewhere)
    assert f"study: {named} is not edited yet" in refused.stderr


def use_everything(command: Path, where: Path) -> None:
    def study(*words: str) -> str:
        done = run(str(command), *words, where=where, XDG_CACHE_HOME=str(where / "cache"))
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    assert "async-http-shared" in study("list", "fair")
    assert "sync-sleep" in study("run", "sync-sleep", *LOAD, "--delay", "50ms")
    assert "async-http-shared" in study("run", "async-http-shared", *LOAD, "--live")
    assert "interpreter" in study("predict", "sync-http-shared", "--cpu", "5ms")
    first, _ = sorted((where / "results").iterdir())
    assert first.name in study("report", str(first))
    assert (first / "report.html").is_file()
    (where / "mine.py").write_text(
        "from dataclasses import replace\n"
        "from scenarios import select_scenarios\n"
        "MINE = replace(select_scenarios(('sync-sleep',))[0], name='my-own')\n"
    )
    assert "my-own" in study("list", "./mine.py")
    assert "workshop.png" in study("workshop", "1", "--no-prompt")
    assert "confirm all" in study("guide", "--out", "guidance.md")


def test_what_lacks_an_extra_names_the_command_that_brings_it(tool: Path, elsewhere: Path) -> None:
    study = str(tool / "bin/study")
    refused = run(study, "run", "users-async", *LOAD, where=elsewhere)
    assert refused.returncode == 3
    (line,) = refused.stderr.splitlines()
    _, _, command = line.partition(" needs the extra [database]: ")
    profiled = run(study, "run", "sync-sleep", *LOAD, "--profile", where=elsewhere)
    assert profiled.returncode == 3
    assert " needs the extra [profile]: " in profiled.stderr
    brought = run(*shlex.split(command), where=tool)
    assert brought.returncode == 0, brought.stderr
    done = run(study, "run", "users-async", *LOAD, where=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "users-async" in done.stdout


@pytest.mark.skipif(not shutil.which("cargo"), reason="no cargo")
@pytest.mark.usefixtures("untouched")
def test_a_peer_is_built_from_the_package(tool: Path, elsewhere: Path) -> None:
    """Axum takes minutes to compile; the cache of the checks already has it."""
    caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    words = ("run", "axum-http-shared", *LOAD)
    done = run(str(tool / "bin/study"), *words, where=elsewhere, XDG_CACHE_HOME=caches)
    assert done.returncode == 0, done.stderr
    assert "axum-http-shared" in done.stdout


def test_a_clone_with_a_space_in_its_path(elsewhere: Path) -> None:
    """The next set-up repairs an interrupted one, two at once wait for each other, and none leaves
    anything in the temporary folder."""
    clone, temporary = elsewhere / "a clone", elsewhere / "temporary"
    temporary.mkdir()
    copy_tracked(clone)
    env = os.environ | {
        "TMPDIR": str(temporary), "PYTHON": sys.executable,
        "PATH": f"{UV.parent}:{os.environ['PATH']}",
    }  # fmt: skip

    def set_up() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ("sh", "setup.sh"), cwd=clone, env=env, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    unfinished, first = clone / ".venv/.unfinished", set_up()
    wait_for(lambda: unfinished.exists() and (clone / ".venv/bin").exists(), "a set-up begun")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    both = [set_up(), set_up()]
    said = [each.communicate(timeout=500)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert sum("creating .venv" in each for each in said) == 1, said
    assert not unfinished.exists()
    assert not list(temporary.iterdir())
    assert set_up().communicate(timeout=60)[1] == ""
    use_everything(clone / ".venv/bin/study", elsewhere)
