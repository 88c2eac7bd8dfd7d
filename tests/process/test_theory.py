"""Predictions compared with real servers: calibrated, written down, then measured."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.catalogue import select_scenarios
from scenarios.model import Endpoint, Scenario
from study.cli import main
from tests.process.support import cells, codes, only_run, study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
LOAD = ("--users", "20", "--pool", "10", "--delay", "100ms", "--duration", "3s")


@pytest.fixture(scope="module")
def predicted_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predicted")
    done = study("run", "control", *LOAD, "--no-report", "--out", str(out), "--port", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("predicted") >= 3  # a line under each row
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "/" not in line)
    return out


def test_each_prediction_was_in_the_manifest_and_is_beside_the_measurement(
    predicted_run: Path,
) -> None:
    manifest = json.loads((only_run(predicted_run) / "manifest.json").read_text())
    for cell in cells(predicted_run):
        assert cell["predicted"] == manifest["predictions"][cell["scenario"]]
        assert manifest["calibrations"][cell["scenario"]]["requests"] > 100


@pytest.mark.parametrize(
    ("name", "limit"),
    [("sync-sleep", "pool"), ("async-sleep", "users"), ("async-sleep-sync", "blocked loop")],
)
def test_theory_and_measurement_agree(predicted_run: Path, name: str, limit: str) -> None:
    (cell,) = [each for each in cells(predicted_run) if each["scenario"] == name]
    theory = cell["predicted"]
    assert isinstance(theory, dict)
    assert theory["limited_by"] == limit
    # a window of 3 s holds 30 rounds at 100 ms: one more or less at its edges, and a busy machine
    assert cell["ok_rps"] == pytest.approx(theory["ok_rps"], rel=0.08)
    assert cell["median_ms"] == pytest.approx(theory["median_ms"], rel=0.10)


def test_the_same_reports_come_from_the_records(predicted_run: Path) -> None:
    directory = only_run(predicted_run)
    before = (directory / "summary.json").read_bytes()
    assert study("report", str(directory)).returncode == 0
    assert (directory / "summary.json").read_bytes() == before


@pytest.fixture
def without_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first scenario calls a route that the app does not have: it fails on any machine. A
    client that gives up after a millisecond sometimes gets its response in time."""

    def chosen(_: tuple[str, ...]) -> tuple[Scenario, ...]:
        (plain,) = select_scenarios(("sync-sleep",))
        return (replace(plain, endpoint=Endpoint("/nonesuch", "def")),)

    monkeypatch.setattr("study.scenario_files.select_scenarios", chosen)


@pytest.mark.untimed
@pytest.mark.usefixtures("without_route")
def test_an_endpoint_that_does_not_answer_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "sync-sleep"]) == 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "study: sync-sleep: calibration: /nonesuch returned 404"


@pytest.mark.untimed
@pytest.mark.usefixtures("without_route")
def test_a_run_goes_on_without_a_prediction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scenario without a result is a finding too."""
    words = ["run", "sync-sleep", "--users", "5", "--delay", "50ms", "--duration", "2s"]
    assert main([*words, "--out", str(tmp_path), "--port", "0"]) == 0
    said = "study: no prediction: sync-sleep: calibration: /nonesuch returned 404"
    assert said in capsys.readouterr().err.splitlines()
    (cell,) = cells(tmp_path)
    theory = cell["predicted"]
    assert isinstance(theory, dict)
    assert theory["ok_rps"] is None
    assert theory["reason"] == "sync-sleep: calibration: /nonesuch returned 404"
    assert cell["requests"] == cell["failures"]


def test_the_capacity_is_found_between_two_steps(tmp_path: Path) -> None:
    """Ten threads of 100 ms each: 100 a second."""
    done = study(
        "capacity", "sync-sleep", "--pool", "10", "--delay", "100ms", "--duration", "3s",
        "--first-rate", "85/s", "--steps", "2", "--out", str(tmp_path), "--port", "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    match = re.search(r"capacity: between ([\d.]+) and ([\d.]+) rps", done.stdout)
    assert match is not None, done.stdout
    low, high = float(match[1]), float(match[2])
    # the last percent below the ceiling is a queue that grows too slowly for a window of 3 s
    assert low <= 101 <= high * 1.05
    assert low > 70  # one step of 1.3 below the ceiling
    assert re.findall(r"^ *(\d+) %  ", done.stdout, re.MULTILINE) == ["50", "70", "90"]
    assert "constant arrivals" in done.stdout
    directory = only_run(tmp_path)
    before = (directory / "summary.json").read_text()
    content = json.loads(before)
    assert content["capacity"]["sustained_rps"] == pytest.approx(low, abs=0.05)  # as printed
    assert any("OVERLOADED" in codes(cell) for cell in content["cells"])
    steps = [cell for cell in content["cells"] if not cell["scenario"].endswith("-percent")]
    assert content["capacity"]["steps"] == len(steps) < len(content["cells"])
    assert all(cell["predicted"] is not None for cell in content["cells"])  # each its own
    assert study("report", str(directory)).returncode == 0
    assert (directory / "summary.json").read_text() == before
