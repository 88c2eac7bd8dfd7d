"""The order of a run, with a cell that "measures" what it is told: no server, no waiting."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.figures import summarise
from analysis.summary import CellSummary
from records.rundir import CellDir, new_run
from scenarios.catalogue import select
from scenarios.model import Scenario
from scenarios.problems import Problem, cannot_run
from stress.interruption import CellInterruptedError, Interruption
from study import run as subject
from study.progress import Quiet
from tests.unit.samples import record, tables

Ran = list[tuple[str, int]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Which cells were run, in order; each then has the same small summary."""
    seen: Ran = []

    def remember(scenario: Scenario, trial: int, *_: object) -> None:
        seen.append((scenario.name, trial))

    def summary_of(_: CellDir) -> CellSummary:
        return summarise(record(), tables([(3.0, 4.0, None)]))

    monkeypatch.setattr(subject, "run_cell", remember)
    monkeypatch.setattr(subject, "summary_of", summary_of)
    return seen


def run_cells(folder: Path, trials: int = 1) -> list[CellSummary]:
    directory = new_run(folder, "test")
    directory.save_manifest({"command": "study run control"})
    order = subject.Order("test", trials, 0, folder, "study run control")
    scenarios = select(("control",))
    return subject.run_cells(scenarios, order, directory, Interruption(), Quiet(), None)


def failing(after: int, error: Exception) -> Callable[..., None]:
    left = iter(range(after))

    def run_cell(*_: object) -> None:
        if next(left, None) is None:
            raise error

    return run_cell


def test_each_trial_runs_every_scenario_once(ran: Ran, tmp_path: Path) -> None:
    assert len(run_cells(tmp_path, trials=2)) == 6
    names = [each.name for each in select(("control",))]
    assert ran == [(name, trial) for trial in (1, 2) for name in names]


@pytest.mark.usefixtures("ran")
def test_a_cell_that_cannot_begin_names_itself_and_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "run_cell", failing(1, cannot_run("port 1 is taken")))
    with pytest.raises(Problem) as refused:
        run_cells(tmp_path)
    (directory,) = tmp_path.iterdir()
    assert str(refused.value) == (
        f"async-sleep: port 1 is taken; {directory} keeps the 1 before it"
    )
    assert refused.value.exit_code == 3
    assert (directory / "summary.json").is_file()


@pytest.mark.usefixtures("ran")
def test_an_interruption_before_the_load_ends_the_run_with_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "run_cell", failing(2, CellInterruptedError("Ctrl-C")))
    assert len(run_cells(tmp_path)) == 2
