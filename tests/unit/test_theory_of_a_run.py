"""What a run is told before it, and what where nothing can be told."""

from dataclasses import replace

import pytest

from records.calibration import Calibration
from scenarios.catalogue import select
from scenarios.model import Available, Scenario, resolved
from scenarios.problems import Problem, cannot_run
from stress.interruption import Interruption
from study.theory import calibrations_of, theory_of

ALL = Available(uvloop=True, httptools=True, go=True)


def scenario(name: str) -> Scenario:
    return resolved(select((name,))[0], ALL)


def test_a_run_is_told_why_it_has_no_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def vain(chosen: Scenario, _: Interruption) -> Calibration:
        asked.append(chosen.name)
        if chosen.name == "async-json":
            return Calibration(1000, 2.0, 0.0, 0.002)
        raise cannot_run("calibration: no answer")

    monkeypatch.setattr("study.theory.calibrate", vain)
    slower = replace(scenario("sync-sleep"), name="slower", delay_s=2.0)
    all_three = [scenario("sync-sleep"), slower, scenario("async-json")]
    missed: list[str] = []
    found = theory_of(all_three, Interruption(), lambda _: None, missed.append)
    assert not found.predictions
    assert not found.calibrations
    assert [each.split(": ")[:2] for each in missed] == [
        ["no prediction", name] for name in ("sync-sleep", "slower", "async-json")
    ]
    assert asked == ["sync-sleep", "async-json"]  # what differs in delay only is not asked twice
    with pytest.raises(Problem, match="sync-sleep: calibration: no answer") as caught:
        calibrations_of(all_three, Interruption(), lambda _: None)
    assert caught.value.exit_code == 3
