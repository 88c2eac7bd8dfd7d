"""`--quick`: which cells it runs, how long that takes, and that a blocked loop looks bad in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.theory.prediction import compute_prediction
from analysis.theory.scenario_model import build_server_model
from records.prediction import Prediction
from scenarios.catalogue import CATALOGUE, select_scenarios
from scenarios.model import Scenario
from scenarios.resolution import MachineResources, resolve_scenario
from study.cli import main
from study.estimates import estimate_run_s
from study.options import QUICK_SCENARIOS, choose_run_scenarios, shorten_scenarios
from study.run_flags import RunFlags, build_run_options

MACHINE = MachineResources(uvloop=True, httptools=True, go=True)
BLOCKED = "async-http-sync-shared"
LONGEST_S = 100.0
"""Maximum time of a first run, by the estimate that a run announces."""


def choose_quick() -> dict[str, Scenario]:
    found = [resolve_scenario(each, MACHINE) for each in choose_run_scenarios((), quick=True)]
    return {each.name: each for each in found}


def predict(scenario: Scenario, cpu_s: float) -> Prediction:
    return compute_prediction(build_server_model(scenario, cpu_s, 2), scenario.load)


@settings(max_examples=8, deadline=None)
@given(cpu_ms=st.floats(0.2, 5.0))
def test_a_blocked_loop_serves_a_fortieth_of_the_others_on_fast_and_slow_machines(
    cpu_ms: float,
) -> None:
    """From a fast core to one that other programs keep busy too."""
    rates = {name: predict(each, cpu_ms / 1000).ok_rps for name, each in choose_quick().items()}
    blocked_rps = rates.pop(BLOCKED)
    assert blocked_rps is not None
    assert len(rates) == 3
    for name, rate in rates.items():
        assert rate is not None, name
        assert rate > 40 * blocked_rps, name


def test_its_blocked_loop_leaves_most_users_without_an_answer() -> None:
    scenario = choose_quick()[BLOCKED]
    delay_s, load = scenario.delay_s, scenario.load
    assert delay_s is not None
    assert load.duration_s / delay_s < load.users / 10


def test_it_takes_no_longer_than_it_may() -> None:
    assert estimate_run_s(list(choose_quick().values())) <= LONGEST_S


def test_scenarios_that_are_named_are_run_and_keep_their_delay() -> None:
    (quick,) = choose_run_scenarios(("rare-blocks",), quick=True)
    (whole,) = select_scenarios(("rare-blocks",))
    assert quick.delay_s == whole.delay_s
    assert (quick.load.users, quick.load.duration_s) == (50, 4.0)
    assert choose_run_scenarios((), quick=False) == select_scenarios(())


@pytest.mark.parametrize("scenario", CATALOGUE, ids=lambda each: each.name)
def test_it_makes_no_scenario_larger(scenario: Scenario) -> None:
    (quick,) = shorten_scenarios((scenario,))
    assert quick.load.users <= scenario.load.users
    assert quick.load.duration_s <= max(scenario.load.duration_s, 4.0)


def test_the_run_is_named_after_what_was_asked() -> None:
    assert build_run_options(RunFlags(), (), quick=True).name == "quick"
    assert build_run_options(RunFlags(), ("fair",), quick=True).name == "fair"


@pytest.mark.parametrize("command", ["run", "predict"])
def test_the_commands_choose_alike(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def take(scenarios: tuple[Scenario, ...], *_: object) -> int:
        names.extend(each.name for each in scenarios)
        return 0

    monkeypatch.setattr("study.run.run_study", take)
    monkeypatch.setattr("study.predict.predict_performance", take)
    assert main([command, "--quick"]) == 0
    assert tuple(names) == QUICK_SCENARIOS
