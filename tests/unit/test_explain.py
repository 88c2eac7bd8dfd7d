"""Which cells are sampled for an explanation, and what is recorded if a cell cannot be sampled."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.cpu_profile import CpuProfile, Stacks
from records.prediction import Prediction
from records.rundir import CellDir
from scenarios.errors import UserError
from scenarios.model import Load, Scenario
from stress import explain
from stress.explain import ExplainedCell, LoadExplainer, is_explainable
from stress.interruption import Interruption
from stress.load.protocol import LoadProgress, write_message
from stress.runtime import CellRun, ExplainIf
from stress.stack import Stack
from study.cli import main
from study.predictions import choose_condition
from study.run import RunOptions
from tests.unit.samples import record

AS_PREDICTED = ExplainIf(cpu_s=0.0015, least_ok_rps=0.0, most_ok_rps=1e9)


def predict(ok_rps: float | None, cpu_ms: float | None) -> Prediction:
    low, high = (None, None) if ok_rps is None else (0.9 * ok_rps, 1.1 * ok_rps)
    return Prediction(ok_rps, None, None, None, None, None, cpu_ms=cpu_ms, low=low, high=high)


def cell(folder: Path, scenario: Scenario, condition: ExplainIf | None = AS_PREDICTED) -> CellRun:
    folder.mkdir(exist_ok=True)
    (folder / "raw").mkdir(exist_ok=True)
    return CellRun(scenario, 1, CellDir(folder), explain_if=condition)


@given(st.floats(1, 1e4), st.floats(0.01, 100), st.floats(0.92, 1.08), st.floats(0.1, 1.45))
def test_what_is_as_predicted_is_not_explained(
    ok_rps: float, cpu_ms: float, near: float, dearness: float
) -> None:
    condition = choose_condition(predict(ok_rps, cpu_ms))
    assert condition is not None
    cpu_s = cpu_ms / 1000
    assert not condition.is_met(cpu_s * dearness, ok_rps * near)
    assert condition.is_met(cpu_s * 1.51, ok_rps * near)
    assert condition.is_met(cpu_s * dearness, ok_rps * 0.89)
    assert condition.is_met(cpu_s * dearness, ok_rps * 1.11)


@pytest.mark.parametrize("unknown", [predict(None, 1.0), predict(100.0, None)])
def test_without_a_range_nothing_is_missed(unknown: Prediction) -> None:
    """A full interpreter is explained nevertheless."""
    condition = choose_condition(unknown)
    assert condition is not None
    assert not condition.is_met(1.0, 0.0)
    assert choose_condition(None) is None


def test_a_closed_loop_of_a_python_server_can_be_explained(tmp_path: Path) -> None:
    scenario = record().scenario
    assert is_explainable(cell(tmp_path, scenario))
    assert not is_explainable(cell(tmp_path, scenario, None))
    unfit = (
        replace(scenario, load=Load(arrival_rate=10.0)),
        replace(scenario, load=replace(scenario.load, requests=1000)),
        replace(scenario, load=replace(scenario.load, engine="oha")),
        record("axum-http-shared").scenario,
    )
    for each in unfit:
        assert not is_explainable(cell(tmp_path, each))
    killed = record("async-http-sync").scenario
    killed = replace(killed, load=Load(users=500))
    assert cell(tmp_path, killed).windows.cycles
    assert not is_explainable(cell(tmp_path, killed))


@pytest.fixture
def used_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The CPU seconds that the server has used, sample after sample."""
    looks: list[float] = []
    monkeypatch.setattr(explain, "sum_cpu_s", lambda _: looks.pop(0))
    return looks


def decide(
    run: CellRun, used_s: list[float], completed: int, window_s: float = 10.0
) -> tuple[bool, LoadExplainer]:
    """A window with this many responses, in which the server used 1 s."""
    used_s += [5.0, 6.0]
    write_message(run.directory.raw, LoadProgress(completed=7))
    found = LoadExplainer(run, Stack(0, run.directory.raw, None))
    found.sampler.server_pid = 1
    found.open_window()
    assert found._meter is not None
    found._meter.begun_s -= window_s
    write_message(run.directory.raw, LoadProgress(completed=7 + completed))
    return found.is_needed(), found


def test_a_request_that_costs_more_is_explained(tmp_path: Path, used_s: list[float]) -> None:
    """1 s for 600 requests is more than 1.5 ms for each, for 700 it is less."""
    run = cell(tmp_path, record().scenario)
    assert decide(run, used_s, 600)[0]
    assert not decide(run, used_s, 700)[0]


def test_a_full_interpreter_is_sampled_as_predicted_as_it_may_be(
    tmp_path: Path, used_s: list[float]
) -> None:
    run = cell(tmp_path, record().scenario)
    assert decide(run, used_s, 700, window_s=1.0)[0]
    assert not decide(run, used_s, 700, window_s=1.2)[0]


def test_few_requests_tell_nothing_of_their_cost(tmp_path: Path, used_s: list[float]) -> None:
    run = cell(tmp_path, record().scenario)
    assert not decide(run, used_s, 99)[0]
    assert decide(run, used_s, 100)[0]


def test_without_py_spy_the_record_says_so(
    tmp_path: Path, used_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stress.cpu_sampler.is_installed", lambda _: False)
    needed, explainer = decide(cell(tmp_path, record().scenario), used_s, 600)
    assert not needed
    found = explainer.complete({}, Interruption())
    assert found is not None
    assert (found.profile.fault or "").startswith("py-spy is not installed")
    assert found.stacks == {}


def test_a_window_as_predicted_leaves_no_record(tmp_path: Path, used_s: list[float]) -> None:
    _, explainer = decide(cell(tmp_path, record().scenario), used_s, 700)
    assert explainer.complete({}, Interruption()) is None


def test_a_worker_that_ends_meanwhile_leaves_nothing_to_explain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_: Stack) -> float:
        raise UserError("ended")

    monkeypatch.setattr(explain, "sum_cpu_s", end)
    explainer = LoadExplainer(cell(tmp_path, record().scenario), Stack(0, tmp_path / "raw", None))
    explainer.open_window()
    assert not explainer.is_needed()


def test_an_explanation_survives_its_files(tmp_path: Path) -> None:
    stacks: Stacks = {("a (app/x.py)", "b (lib/python3.11/json/__init__.py)"): 3}
    directory = CellDir(tmp_path)
    directory.save_stacks("alone", stacks)
    assert directory.load_stacks("alone") == stacks
    with pytest.raises(UserError, match=r"profile-load\.txt is missing"):
        directory.load_stacks("load")
    (tmp_path / "profile-load.txt").write_text("no count here\n")
    with pytest.raises(UserError, match=r"profile-load\.txt is damaged"):
        directory.load_stacks("load")
    explained = ExplainedCell(CpuProfile(fault="none"))
    directory.save_record(replace(record(), cpu_profile=explained.profile))
    assert directory.load_record().cpu_profile == explained.profile


@pytest.mark.parametrize(
    ("options", "expected"), [((), True), (("--quick",), False), (("--profile",), False)]
)
def test_a_run_explains_unless_it_is_quick_or_sampled_already(
    options: tuple[str, ...], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[RunOptions] = []

    def note(_scenarios: object, order: RunOptions, _served: object) -> int:
        orders.append(order)
        return 0

    monkeypatch.setattr("study.run.run_study", note)
    assert main(["run", "async-http-shared", *options]) == 0
    assert [each.explain for each in orders] == [expected]
