"""An audited service that goes wrong: the audit says so in a line or a finding, ends, and leaves
nothing of the service running or changed."""

import shutil
import signal
import sys
from pathlib import Path

import pytest

from scenarios.errors import ALL_WELL, WRONG_USE
from tests.faults.table import FaultRow, select
from tests.faults.test_kills import lives
from tests.process.support import Running, only_run, study, wait_for

SERVICE = Path(__file__).with_name("audited_service.py")
WORDS = {
    "startup": "starting",
    "first request": "request is sent",
    "load": "users: ",
    "all routes": "all routes, 20 users: ",
    "first round": "round 1 of 3, before",
    "second round": "round 1 of 3, after",
}
"""What the audit says of a phase."""
AUDIT_ENDS_S = 150.0
"""The longest wait for a service to start is 90 s."""
pytestmark = pytest.mark.timeout(200)


@pytest.mark.parametrize("row", select("audits"))
def test_audit(row: FaultRow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    shutil.copy(SERVICE, folder / "service.py")
    monkeypatch.setenv("FAULT", row.fault)
    monkeypatch.setenv("PHASE", row.phase)
    run = Running(
        tmp_path / "out", "audit", "--app-dir", str(folder), "--out", str(tmp_path / "out"),
        "--request", "GET /", "--duration", "2s", "--timeout", "3s",
        *(("--try", "workers=2") if row.phase.endswith("round") else ()), "--",
        sys.executable, "-B", "-m", "uvicorn", "service:app", "--port", "0",
    )  # fmt: skip
    seen = []
    try:
        if row.fault.endswith(" study"):
            wait_for(lambda: WORDS[row.phase] in run.text(), f"{row.phase}:\n{run.text()}")
            seen = run.family()
            run.send(signal.Signals[row.fault.split()[0]])
        else:
            wait_for(lambda: bool(run.family()) or run.process.poll() is not None, "the service")
            seen = run.family()
        code = run.process.wait(AUDIT_ENDS_S)
    finally:
        seen += run.family()
        if run.process.poll() is None:
            run.process.kill()
    said = run.text()
    if row.fault == "SIGKILL study":
        wait_for(lambda: not any(map(lives, seen)), "the end of the service")
        shown = study("report", str(only_run(tmp_path / "out")))
        assert shown.returncode in {ALL_WELL, WRONG_USE}
        said += shown.stdout + shown.stderr
        assert not list(tmp_path.rglob("server.log"))
        folders = [each for each in tmp_path.rglob("raw/probe-*") if each.is_dir()]
        assert {each.stat().st_mode & 0o022 for each in folders} <= {0}  # nobody else may write
    row.check(code, said)
    wait_for(lambda: not any(map(lives, seen)), "the end of the service")
    assert [each.name for each in folder.iterdir()] == ["service.py"]
    assert (folder / "service.py").read_text() == SERVICE.read_text()
