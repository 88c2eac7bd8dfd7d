"""What a run is told before it, and what where nothing can be told."""

from dataclasses import replace

import pytest

from records.calibration import Calibration
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError, build_cannot_run_error
from scenarios.model import MachineResources, Scenario, resolve_scenario
from stress.interruption import Interruption
from study.predictions import calibrate_scenarios, predict_scenarios

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
    found = predict_scenarios(all_three, Interruption(), lambda _: None, missed.append)
    assert not found.predictions
    assert not found.calibrations
    assert [each.split(": ")[:2] for each in missed] == [
        ["no prediction", name] for name in ("sync-sleep", "slower", "async-json")
    ]
    assert asked == ["sync-sleep", "async-json"]  # what differs in delay only is not asked twice
    with pytest.raises(UserError, match="sync-sleep: calibration: no answer") as caught:
        calibrate_scenarios(all_three, Interruption(), lambda _: None)
    assert caught.value.exit_code == 3
