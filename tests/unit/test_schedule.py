"""The order of cells: a law for any number of scenarios and trials, and the shuffle's purpose."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.summary.cell import compute_summary
from scenarios.catalogue import CATALOGUE, select_scenarios
from scenarios.errors import UserError
from scenarios.model import Scenario, ServerKind
from study.schedule import FixedPlan, ScheduledTrial, schedule_trials
from tests.unit.samples import record, tables

choices = st.lists(st.sampled_from(CATALOGUE), min_size=1, unique_by=lambda each: each.name)
seeds = st.integers(0, 2**32)
CELL = compute_summary(record(), tables([(3.0, 4.0, None)]))


@given(choices, st.integers(1, 6), seeds)
def test_every_round_holds_every_scenario_once(
    scenarios: list[Scenario], trials: int, seed: int
) -> None:
    turns = schedule_trials(scenarios, trials, seed)
    size = len(scenarios)
    assert len(turns) == trials * size
    for trial in range(1, trials + 1):
        around = turns[(trial - 1) * size : trial * size]
        assert {turn.trial for turn in around} == {trial}
        assert sorted(turn.scenario.name for turn in around) == sorted(
            each.name for each in scenarios
        )


@given(choices, st.integers(1, 6), seeds)
def test_the_same_seed_gives_the_same_order(
    scenarios: list[Scenario], trials: int, seed: int
) -> None:
    assert schedule_trials(scenarios, trials, seed) == schedule_trials(scenarios, trials, seed)


@given(choices, st.integers(1, 4), seeds, st.data())
def test_what_must_be_built_ends_the_first_round_and_changes_no_other(
    scenarios: list[Scenario], trials: int, seed: int, data: st.DataObject
) -> None:
    names = [each.name for each in scenarios]
    unbuilt = set(data.draw(st.lists(st.sampled_from(names))))
    plain = schedule_trials(scenarios, trials, seed)
    turns = schedule_trials(scenarios, trials, seed, unbuilt)
    size = len(scenarios)
    assert turns[size:] == plain[size:]
    late = [turn.scenario.name in unbuilt for turn in turns[:size]]
    assert late == sorted(late)
    for kept in (True, False):  # their own order stays the same
        assert [turn for turn in turns[:size] if (turn.scenario.name in unbuilt) is kept] == [
            turn for turn in plain[:size] if (turn.scenario.name in unbuilt) is kept
        ]


@given(seeds, st.integers(0, 12), st.sampled_from(["axum", "gin"]))
def test_a_server_that_cannot_be_built_loses_its_turns_and_no_other_does(
    seed: int, measured: int, server: ServerKind
) -> None:
    scenarios = select_scenarios(("fair",))
    plan = FixedPlan(schedule_trials(scenarios, 2, seed))
    before, results = plan.turns, [CELL] * measured
    names = plan.leave_out(server, results, UserError("no"))
    assert plan.turns[:measured] == before[:measured]
    assert plan.turns[measured:] == tuple(
        turn for turn in before[measured:] if turn.scenario.server.kind != server
    )
    assert set(names) == {
        turn.scenario.name for turn in before[measured:] if turn.scenario.server.kind == server
    }


def test_where_nothing_is_left_the_reason_is_the_error() -> None:
    (scenario,) = select_scenarios(("axum-http-shared",))
    with pytest.raises(UserError, match="no cargo"):
        FixedPlan(schedule_trials((scenario,), 2, 1)).leave_out("axum", [], UserError("no cargo"))


def test_other_seeds_give_other_orders() -> None:
    """Two rounds of 13 have (13!)² orders: ten seeds with a common one would not be chance."""
    assert len({schedule_trials(CATALOGUE, 2, seed) for seed in range(10)}) == 10


def test_one_round_is_not_the_next_one_again() -> None:
    first, second = (
        [
            turn.scenario.name
            for turn in schedule_trials(CATALOGUE, 2, seed=1)
            if turn.trial == trial
        ]
        for trial in (1, 2)
    )
    assert first != second


def test_no_scenario_always_follows_the_same_one() -> None:
    """In 50 rounds of three each is twice in three followed by another of its round, by either
    alike: that one of six such pairs is missing has a chance of 6 × (2/3)^50, below 1e-7."""
    three = CATALOGUE[:3]
    turns = schedule_trials(three, 50, seed=1)
    followed = {
        (one.scenario.name, next_one.scenario.name)
        for one, next_one in pairwise(turns)
        if one.trial == next_one.trial
    }
    assert len(followed) == 6


@given(seeds)
def test_a_single_round_reads_as_the_catalogue(seed: int) -> None:
    assert schedule_trials(CATALOGUE, 1, seed) == tuple(
        ScheduledTrial(each, 1) for each in CATALOGUE
    )
