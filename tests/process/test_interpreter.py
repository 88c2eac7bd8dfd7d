"""`study run --python`: the server runs in another interpreter, and reports it."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from scenarios.errors import CANNOT, WRONG_USE
from tests.process.support import study

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(170)]

RUN = (
    "run", "sync-sleep", "--users", "5", "--duration", "1s", "--delay", "10ms", "--port", "0",
    "--no-predict", "--no-report", "--quiet",
)  # fmt: skip


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The Python of a virtual environment without packages."""
    made = (sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    subprocess.run(made, check=True, timeout=60)
    return tmp_path / "venv" / "bin" / "python"


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_the_server_reports_the_interpreter_that_runs_it(
    server: str, python: Path, tmp_path: Path
) -> None:
    (packages,) = python.parent.parent.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    out = tmp_path / "results"
    done = study(*RUN, "--server", server, "--python", str(python), "--out", str(out))
    assert done.returncode == 0, done.stderr
    (record,) = out.glob("*/cells/*/cell.json")
    (process,) = json.loads(record.read_text())["processes"]
    assert process["executable"] == str(python)
    assert process["loop"] == "asyncio.unix_events._UnixSelectorEventLoop"


def test_one_without_the_packages_is_refused_before_the_run(python: Path, tmp_path: Path) -> None:
    done = study(*RUN, "--python", str(python), "--out", str(tmp_path / "results"))
    assert done.returncode == CANNOT
    said = f"--python {python}: it cannot run the server: ModuleNotFoundError: No module named"
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = study(*RUN, "--python", str(tmp_path / "gone"), "--out", str(tmp_path / "results"))
    assert done.returncode == WRONG_USE
    assert "gone: cannot be started: No such file or directory" in done.stderr
