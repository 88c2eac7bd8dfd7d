"""Installed as users install it: from a wheel that may not be written to, and from a clone whose
path has a space in it. Both in a clean environment, and used from another folder."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.process.support import ROOT, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(600)]

PACKED = ("analysis", "app", "docs", "peers", "probe", "records", "scenarios", "slow_upstream",
          "stress", "study")  # fmt: skip
NOT_PACKED = re.compile(
    r"\.gitignore|.*\.png|docs/sample-run/.*|peers/(README\.md|check\.sh)|stress/stress_\w+\.sh"
    r"|probe/(check\.sh|pyproject\.toml)"
)
"""Of what is tracked in these folders: what only a clone has a use for."""
JUNK = (
    "peers/axum/target/release/axum-peer", "slow_upstream/go/bin/slow-upstream", "app/.env",
    "app/notes.txt", "stress/servers/gunicorn.log", "study/.idea/workspace.xml",
)  # fmt: skip
SMALL = (
    "--users",
    "10",
    "--delay",
    "50ms",
    "--duration",
    "2s",
    "--spawn-rate",
    "50",
    "--port",
    "0",
)


def run(*command: str, where: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """With a home of its own, and without what an environment or a shell may have set for us."""
    env = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "TERM")}
    # Caches of packages, Go and Rust are the user's and may be shared; what we build is not.
    home = Path.home()
    shared = {
        "PIP_CACHE_DIR": str(home / ".cache/pip"), "UV_CACHE_DIR": str(home / ".cache/uv"),
        "GOCACHE": str(home / ".cache/go-build"), "GOPATH": str(home / "go"),
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(home / ".cargo")),
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
    }  # fmt: skip
    shared |= {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "UV_"))}
    return subprocess.run(
        command, cwd=where, env=env | {"HOME": str(where)} | shared | variables,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def list_tracked() -> list[str]:
    return subprocess.check_output(("git", "ls-files"), cwd=ROOT, text=True).splitlines()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what is tracked, and from what may lie beside it."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in list_tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    for name in JUNK:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("not to be packed")
    done = run(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(built), str(source),
        where=built,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment's `bin`; the base alone is in it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    done = run(str(folder / "bin/pip"), "install", "--quiet", str(wheel), where=folder)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with names of ours, of which nobody may take any."""
    for name in ("app", "analysis", "stress", "study"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    return tmp_path


def find_package(bin_folder: Path) -> Path:
    (package,) = (bin_folder.parent / "lib").glob("python3*/site-packages/asyncio_vs_threads")
    return package


@pytest.fixture
def untouched(installed: Path) -> Iterator[None]:
    """Read-only; and where we are root, who may write anyway, unchanged nevertheless."""
    package = find_package(installed)
    files = [package, *package.rglob("*")]
    for path in files:
        path.chmod(path.stat().st_mode & ~0o222)
    before = {path: path.stat().st_mtime_ns for path in files}
    yield
    assert {path: path.stat().st_mtime_ns for path in (package, *package.rglob("*"))} == before


def test_what_is_packed_is_what_is_listed(wheel: Path) -> None:
    wanted = {name for name in list_tracked() if name.split("/")[0] in PACKED}
    wanted = {f"asyncio_vs_threads/{name}" for name in wanted if not NOT_PACKED.fullmatch(name)}
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed - wanted == {"asyncio_vs_threads/__init__.py"}
    assert wanted - packed == set()


def test_an_editable_install_is_refused(installed: Path, tmp_path: Path) -> None:
    done = run(str(installed / "pip"), "install", "--no-deps", "-e", str(ROOT), where=tmp_path)
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if "asyncio-vs-threads: " in line]
    assert "sh setup.sh" in line


@pytest.mark.usefixtures("untouched")
def test_the_wheel_runs_from_another_folder(installed: Path, elsewhere: Path) -> None:
    use_everything(str(installed / "study"), elsewhere)
    assert (elsewhere / "cache/asyncio-vs-threads").is_dir() == bool(shutil.which("go"))


def use_everything(command: str, where: Path) -> None:
    def study(*words: str) -> str:
        done = run(command, *words, where=where, XDG_CACHE_HOME=str(where / "cache"))
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    assert "async-http-shared" in study("list")
    assert "sync-sleep" in study("run", "sync-sleep", *SMALL)
    assert "async-http-shared" in study("run", "async-http-shared", *SMALL, "--live")
    assert "interpreter" in study("predict", "sync-http-shared", "--cpu", "5ms")
    (first, second) = sorted((where / "results").iterdir())
    (first / "report.html").unlink()
    assert str(first.name) in study("report", f"results/{first.name}")
    assert (first / "report.html").is_file()
    assert "the wrong one" not in study("compare", str(first), str(second), "--anyway")
    (where / "mine.py").write_text(
        "from dataclasses import replace\n"
        "from scenarios import select_scenarios\n"
        "MINE = replace(select_scenarios(('sync-sleep',))[0], name='my-own')\n"
    )
    assert "my-own" in study("list", "./mine.py")
    assert "workshop.png" in study("workshop", "1", "--no-prompt")
    assert "sentences hold" in study("guide", "--out", "guidance.md")


@pytest.mark.usefixtures("untouched")
def test_the_workshop_edits_a_copy(installed: Path, elsewhere: Path) -> None:
    study = str(installed / "study")
    said = run(study, "workshop", "1", "--no-prompt", where=elsewhere)
    assert said.returncode == 0, said.stderr
    edit = elsewhere / "results/workshop/app/endpoints.py"
    assert f"Now change {edit.relative_to(elsewhere)}" in said.stdout
    refused = run(study, "workshop", "1", "--no-prompt", "--edited", where=elsewhere)
    assert refused.returncode == 2
    assert "is not edited as exercise 1 says" in refused.stderr


def test_what_lacks_an_extra_names_the_command_that_brings_it(
    installed: Path, elsewhere: Path
) -> None:
    study = str(installed / "study")
    refused = run(study, "run", "users-async", *SMALL, where=elsewhere)
    assert refused.returncode == 3
    (line,) = refused.stderr.splitlines()
    *_, command = line.partition("needs the extra [database]: ")
    profiled = run(study, "run", "sync-sleep", *SMALL, "--profile", where=elsewhere)
    assert profiled.returncode == 3
    assert "needs the extra [profile]" in profiled.stderr
    brought = run(*shlex.split(command), where=elsewhere)
    assert brought.returncode == 0, brought.stderr
    done = run(study, "run", "users-async", *SMALL, where=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "users-async" in done.stdout


@pytest.mark.skipif(not shutil.which("cargo"), reason="no cargo")
@pytest.mark.usefixtures("untouched")
def test_the_peers_are_built_from_the_package(installed: Path, elsewhere: Path) -> None:
    """Axum takes minutes to compile: the cache in which it is already is the one of the checks."""
    caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    study = str(installed / "study")
    done = run(
        study, "run", "axum-http-shared", *SMALL, where=elsewhere, XDG_CACHE_HOME=caches
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "axum-http-shared" in done.stdout


def test_a_clone_with_a_space_in_its_path(tmp_path: Path, elsewhere: Path) -> None:
    """An interrupted set-up is repaired by the next, two at once wait for each other, and none
    leaves anything in the temporary folder."""
    clone, temporary = tmp_path / "a clone", tmp_path / "temporary"
    temporary.mkdir()
    for name in list_tracked():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name)
    env = os.environ | {"TMPDIR": str(temporary), "PYTHON": sys.executable}
    set_up = ("sh", "setup.sh")
    first = subprocess.Popen(set_up, cwd=clone, env=env, start_new_session=True)
    unfinished = clone / ".venv/.unfinished"
    wait_for(lambda: unfinished.exists() and (clone / ".venv/bin").exists(), "a set-up begun")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    both = [
        subprocess.Popen(set_up, cwd=clone, env=env, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [each.communicate(timeout=500)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert sum("making .venv" in each for each in said) == 1, said
    assert not unfinished.exists()
    assert not list(temporary.iterdir())
    assert subprocess.check_output(set_up, cwd=clone, env=env, stderr=subprocess.STDOUT) == b""
    use_everything(str(clone / ".venv/bin/study"), elsewhere)
