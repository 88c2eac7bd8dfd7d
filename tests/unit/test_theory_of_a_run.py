"""What a run is told before it, and what where nothing can be told."""

from dataclasses import replace

import pytest

from records.prediction import Calibration
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError, build_cannot_run_error
from scenarios.model import Scenario
from scenarios.resolution import MachineResources, resolve_scenario
from stress.interruption import Interruption
from study.predictions import Predictor, calibrate_scenarios

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
