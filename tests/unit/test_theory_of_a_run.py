"""What a run announces before it starts, and what it says where no prediction is possible."""

from dataclasses import asdict, replace
from math import ceil

import polars as pl
import pytest

from analysis.measures.window import open_cell
from analysis.report.cell_timeline import build_timeline
from analysis.report.latency_shape import compute_distribution
from analysis.report.page import ReportCell, compute_theory
from analysis.summary.cell import compute_summary
from analysis.summary.run import RunSettings, read_run_settings
from records.prediction import Calibration, CpuSample, Prediction
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError, build_cannot_run_error
from scenarios.model import Scenario
from scenarios.resolution import MachineResources, resolve_scenario
from stress.interruption import Interruption
from study.estimates import SHARED_FOR_S, estimate_run_s
from study.predictions import (
    Predictor,
    calibrate_scenarios,
    choose_condition,
    share_out_idle_cpu,
)
from tests.unit.samples import healthy, record, tables

ALL = MachineResources(uvloop=True, httptools=True, go=True)


def scenario(name: str) -> Scenario:
    return resolve_scenario(select_scenarios((name,))[0], ALL)


def test_a_run_is_told_why_it_has_no_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def vain(chosen: Scenario, _: Interruption) -> Calibration:
        asked.append(chosen.name)
        if chosen.name == "async-json":
            return Calibration(1000, 2.0, 0.0, 0.002)
        raise build_cannot_run_error("calibration: no answer")

    monkeypatch.setattr("study.predictions.calibrate", vain)
    slower = replace(scenario("sync-sleep"), name="slower", delay_s=2.0)
    all_three = [scenario("sync-sleep"), slower, scenario("async-json")]
    missed: list[str] = []
    predictor = Predictor(Interruption(), lambda _: None, miss=missed.append)
    found = [predictor.predict(each) for each in (*all_three, *all_three)]
    assert [each.ok_rps for each in found] == [None] * 6
    assert [f"no prediction: {each.reason}" for each in found] == 2 * missed
    assert not predictor.calibrations
    assert [each.split(": ")[:2] for each in missed] == [
        ["no prediction", name] for name in ("sync-sleep", "slower", "async-json")
    ]
    assert asked == ["sync-sleep", "slower", "async-json"]
    with pytest.raises(UserError, match="sync-sleep: calibration: no answer") as caught:
        calibrate_scenarios(all_three, Interruption(), lambda _: None)
    assert caught.value.exit_code == 3


def test_a_calibration_is_shared_by_what_differs_in_delay_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def measured(chosen: Scenario, _: Interruption) -> Calibration:
        asked.append(chosen.name)
        return Calibration(1000, 2.0, 0.001, 0.002)

    monkeypatch.setattr("study.predictions.calibrate", measured)
    slower = replace(scenario("sync-sleep"), name="slower", delay_s=2.0)
    found = calibrate_scenarios((scenario("sync-sleep"), slower), Interruption(), lambda _: None)
    assert list(found) == ["sync-sleep", "slower"]
    assert asked == ["sync-sleep"]
    base = Predictor(Interruption(), lambda _: None, base=scenario("sync-sleep"))
    assert base.predict(slower).ok_rps is not None
    assert asked == ["sync-sleep", "sync-sleep"]  # once more, for all that follow
    assert base.predict(replace(slower, name="slowest", delay_s=9.0)).ok_rps is not None
    assert len(asked) == 2
    assert list(base.calibrations) == ["sync-sleep"]
    assert list(base.predictions) == ["slower", "slowest"]


def replace_calibration(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[float]]:
    """Return the names of the calibrated scenarios, each of which costs 1 ms more than the last
    one, and the time, which the test sets. A scenario calibrated after 9999 s fails."""
    asked: list[str] = []
    now_s = [100.0]

    def measured(chosen: Scenario, _: Interruption) -> Calibration:
        if now_s[0] > 9999:
            raise build_cannot_run_error("calibration: the machine is busy")
        asked.append(chosen.name)
        return Calibration(1000, 2.0, 0.001 * len(asked), 0.002)

    monkeypatch.setattr("study.predictions.calibrate", measured)
    monkeypatch.setattr("study.predictions.monotonic", lambda: now_s[0])
    return asked, now_s


def test_scenarios_that_are_alike_share_a_calibration_as_long_as_it_is_young(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, now_s = replace_calibration(monkeypatch)
    first = scenario("sync-sleep")
    predictor = Predictor(Interruption(), lambda _: None)
    predictor.predict(first)
    predictor.predict(replace(first, name="slower", delay_s=2.0))
    predictor.predict(replace(first, name="more", load=replace(first.load, users=7)))
    assert asked == ["sync-sleep"]
    predictor.predict(replace(first, name="wider", server=replace(first.server, pool=41)))
    assert asked == ["sync-sleep", "wider"]
    now_s[0] += SHARED_FOR_S + 1
    predictor.predict(replace(first, name="later", delay_s=3.0))
    predictor.predict(first)  # its first trial's stands, as it was predicted
    assert asked == ["sync-sleep", "wider", "later"]
    costs = {name: each.cpu_s for name, each in predictor.calibrations.items()}
    assert costs == {
        "sync-sleep": 0.001, "slower": 0.001, "more": 0.001, "wider": 0.002, "later": 0.003,
    }  # fmt: skip


def test_a_trial_has_the_prediction_of_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """In half an hour, CPU per request of the same code went from 0.70 to 0.51 ms."""
    _, now_s = replace_calibration(monkeypatch)
    predictor = Predictor(Interruption(), lambda _: None)
    first = scenario("sync-sleep")
    soon = [predictor.predict(first, trial) for trial in (1, 2)]
    now_s[0] += SHARED_FOR_S + 1
    late = predictor.predict(first, 3)
    assert soon[0] is soon[1]
    assert [each.cpu_ms for each in (*soon, late)] == [1.0, 1.0, 2.0]
    settings = read_run_settings(predictor.export())
    for trial, cpu_ms in ((1, 1.0), (2, 1.0), (3, 2.0), (4, 1.0)):  # an older record has no 4
        found = settings.find_prediction(replace(record("sync-sleep"), trial=trial))
        assert found is not None
        assert found.cpu_ms == cpu_ms


def test_a_scenario_may_be_called_like_another_ones_second_trial() -> None:
    first, other = (replace(scenario("sync-sleep"), name=name) for name in ("x", "x.2"))
    known = {"x": 1.0, "x/2": 2.0, "x.2": 3.0, "x.2/2": 4.0}
    predictions = {name: Prediction(cpu_ms=cpu_ms) for name, cpu_ms in known.items()}
    settings = RunSettings("", ("x", "x.2"), 2, (), predictions)
    trials = [replace(record(), scenario=each, trial=n) for each in (first, other) for n in (1, 2)]
    assert [settings.find_prediction(each) for each in trials] == list(predictions.values())
    older = {name: predictions[name] for name in ("x", "x.2")}
    settings = replace(settings, scenarios=("x",), predictions=older)
    assert settings.find_prediction(trials[1]) == predictions["x.2"]


def test_a_calibration_that_fails_later_costs_one_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    _, now_s = replace_calibration(monkeypatch)
    missed: list[str] = []
    predictor = Predictor(Interruption(), lambda _: None, miss=missed.append)
    first = scenario("sync-sleep")
    found = [predictor.predict(first)]
    for trial, at_s in ((2, 10_000.0), (3, 1_000.0)):
        now_s[0] = at_s
        found.append(predictor.predict(first, trial))
    assert [each.cpu_ms for each in found] == [1.0, None, 2.0]
    assert missed == [f"no prediction: {found[1].reason}"]


def test_the_estimate_has_a_calibration_for_each_ten_minutes() -> None:
    one = [scenario("sync-sleep")]
    cell_s = estimate_run_s(one, predict=False)
    for trials in (1, 2, 5, 50):
        again = min(trials, ceil(trials * cell_s / SHARED_FOR_S))
        assert estimate_run_s(one, trials) == pytest.approx(trials * cell_s + 10.0 * again)


def test_refused_connections_have_no_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 users with a connection each, and a PostgreSQL that accepts 100: 47 % of the requests
    failed, where the model would say 880 responses per second."""
    found = Calibration(1000, 2.0, 0.001, 0.004, most_connections=100)
    monkeypatch.setattr("study.predictions.calibrate", lambda *_: found)
    each, pool = scenario("tasks-per-request"), scenario("tasks-pool")
    few = replace(each, name="few", load=replace(each.load, users=100))
    wide = replace(pool, name="wide", server=replace(pool.server, workers=21))  # 5 each
    threads = scenario("users-sync-psycopg")
    assert threads.database
    threads = replace(
        threads, load=each.load, database=replace(threads.database, life="per-request")
    )
    predictor = Predictor(Interruption(), lambda _: None)
    reasons = {it.name: predictor.predict(it).reason for it in (each, few, pool, wide, threads)}
    assert "may open 200 connections" in (reasons["tasks-per-request"] or "")
    assert "accepts 100 (max_connections)" in (reasons["tasks-per-request"] or "")
    assert "may open 105 connections" in (reasons["wide"] or "")
    for name in ("few", "tasks-pool", threads.name):
        assert "max_connections" not in (reasons[name] or "")
    assert predictor.predict(each).ok_rps is None
    assert predictor.predict(few).ok_rps is not None


def test_a_terminal_has_no_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads 1,160 lines per second, where the model says 4,000."""
    monkeypatch.setattr(
        "study.predictions.calibrate", lambda *_: Calibration(1000, 2.0, 0.0003, 0.0)
    )
    predictor = Predictor(Interruption(), lambda _: None)
    found = predictor.predict(scenario("ping-log-terminal"))
    assert (found.ok_rps, "terminal" in (found.reason or "")) == (None, True)
    assert predictor.predict(scenario("ping-log-file")).ok_rps is not None


def test_the_pool_of_httpx_has_no_prediction_from_fewer_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From these levels the model says 645 responses per second, and 69 to 83 were measured: the
    pool's CPU grows with the square. httpx2 has mended its pool: 964 and 927 to 948."""
    costs_s = {1: 0.00056, 6: 0.00086, 20: 0.001}
    samples = tuple(CpuSample(n, 500, 0.5, cpu_s) for n, cpu_s in costs_s.items())
    found = Calibration(500, 0.5, 0.00056, 0.001, samples)
    monkeypatch.setattr("study.predictions.calibrate", lambda *_: found)
    predictor = Predictor(Interruption(), lambda _: None)
    shared = scenario("call-async-httpx")
    few = replace(shared, name="few", load=replace(shared.load, users=20))
    others = [few, *map(scenario, ("call-async-httpx-each", "call-async-httpx2"))]
    unknown = predictor.predict(shared)
    assert unknown.ok_rps is None
    assert unknown.cpu_ms == pytest.approx(0.56)
    assert "grows with the square" in (unknown.reason or "")
    for each in others:
        assert predictor.predict(each).ok_rps is not None


def test_what_a_server_uses_when_nobody_asks_is_shared_out() -> None:
    theory = Prediction(40.0, 1.0, 1.0, 1.0, 40.0, "pool", cpu_ms=1.0, low=38.0, high=42.0)
    found = share_out_idle_cpu(theory, idle_cores=0.04)
    assert (found.cpu_ms, found.cpu_idle_ms, found.cpu_loaded_ms) == (1.0, 1.0, 2.0)
    condition = choose_condition(found)
    assert condition is not None
    assert not condition.is_met(0.0029, 40.0)  # 1.5 ms more than alone, 1 ms of it nobody's
    assert condition.is_met(0.0031, 40.0)
    nothing = Prediction(reason="no answer")
    assert share_out_idle_cpu(nothing, idle_cores=0.04) == nothing


def show_trial(trial: int) -> ReportCell:
    """As the page shows it."""
    own, found = record("sync-sleep"), tables(healthy())
    measured, shape = open_cell(own, found), compute_distribution(open_cell(own, found))
    summary = replace(compute_summary(own, found), trial=trial, predicted=Prediction(ok_rps=1.0))
    return ReportCell(measured, summary, build_timeline(measured), pl.DataFrame(), shape)


def test_the_curve_is_of_the_calibration_of_the_trial_that_is_shown() -> None:
    """A trial of an older record has that of its scenario."""
    first, third = (asdict(Calibration(1000, 2.0, cpu_s, 0.3)) for cpu_s in (0.001, 0.2))
    manifest = {"calibrations": {"sync-sleep": first, "sync-sleep/3": third}}
    curves = [compute_theory(show_trial(trial), manifest) for trial in (1, 2, 3)]
    alone = compute_theory(show_trial(1), {"calibrations": {"sync-sleep": third}})
    assert curves[0] == curves[1] != curves[2] == alone
    assert None not in curves
