"""The simulated service gives results that are known without it."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.theory.audit.changes import ServiceChange
from analysis.theory.audit.edits import BlockEdit, await_block
from analysis.theory.audit.load import MeasuredService, PhaseLoad, simulate_levels
from analysis.theory.audit.parts import (
    AnswerSent,
    AwaitedTime,
    ConcurrentCalls,
    LoopBlock,
    ThreadCall,
    VisitDemand,
)
from analysis.theory.audit.simulation import UserPlan, simulate_phase, simulate_steady_state
from analysis.theory.audit.stations import ServiceLimits

TINY = 1e-9
POOL = ServiceLimits({"anyio": 40.0})


def demand(*parts: LoopBlock | ThreadCall | AwaitedTime, cpu_s: float = 0.0) -> VisitDemand:
    return VisitDemand((*parts, AnswerSent()), cpu_s, 0.0)


def load(users: int, *routes: str, length_s: float = 10.0) -> PhaseLoad:
    orders = [tuple(random.Random(user).sample(routes, len(routes))) for user in range(users)]
    return PhaseLoad(tuple(UserPlan(each) for each in orders), length_s, users)


BLOCKED = demand(LoopBlock(0.1, (1, 1)))
THREADED = demand(ThreadCall("anyio", 0.1, (1, 1)))
AWAITING = demand(AwaitedTime(0.1))


def test_a_blocked_loop_serves_one_after_the_other() -> None:
    (level,) = simulate_levels(MeasuredService({"/a": (BLOCKED,)}, POOL), load(20, "/a"))
    assert level.rps == pytest.approx(10)
    assert level.p50_ms == pytest.approx(2000)


def test_forty_threads_serve_forty_at_a_time() -> None:
    """100 users: 40 in threads, and 60 wait. 10 s of rounds of 0.1 s, and the remaining queue."""
    (level,) = simulate_levels(MeasuredService({"/a": (THREADED,)}, POOL), load(100, "/a"))
    assert level.rps == pytest.approx(400, rel=0.01)
    assert level.p50_ms == pytest.approx(250, abs=51)


def test_awaited_time_is_served_to_all_at_once() -> None:
    (level,) = simulate_levels(MeasuredService({"/a": (AWAITING,)}, POOL), load(20, "/a"))
    assert level.rps == pytest.approx(200, rel=0.02)
    assert (level.p50_ms, level.p99_ms) == pytest.approx((100, 100))


def test_a_free_route_waits_for_what_stands_before_it() -> None:
    """One user blocks the loop all the time; another calls a route that takes no time, and waits
    for the rest of a block, and for its own turn behind the next one."""
    plans = (UserPlan(("/blocks",)), UserPlan(("/free",), (0.05,)))
    free = demand(cpu_s=0.0003)
    service = MeasuredService({"/blocks": (BLOCKED,), "/free": (free,)}, POOL)
    blocks, answered = simulate_levels(service, PhaseLoad(plans, 20.0, 2))
    assert blocks.rps == pytest.approx(10, rel=0.01)
    assert 50 <= answered.p50_ms <= 210


parts = st.lists(
    st.one_of(
        st.builds(LoopBlock, st.floats(0.001, 0.2), st.just((1, 1))),
        st.builds(ThreadCall, st.sampled_from(["anyio", "executor"]), st.floats(0.001, 0.2),
                  st.just((1, 1))),
        st.builds(AwaitedTime, st.floats(0.001, 0.2)),
        st.builds(
            ConcurrentCalls,
            st.lists(st.builds(ThreadCall, st.just("executor"), st.floats(0.001, 0.1),
                               st.just((1, 1))), min_size=2, max_size=3).map(tuple),
        ),
    ),
    min_size=1, max_size=4,
)  # fmt: skip
visits = st.builds(
    lambda each, cpu_s, client_s: VisitDemand((*each, AnswerSent()), cpu_s, client_s),
    parts, st.floats(0, 0.002), st.floats(0, 0.002),
)  # fmt: skip
services = st.dictionaries(
    st.sampled_from(["/a", "/b", "/c"]), st.lists(visits, min_size=1, max_size=3).map(tuple),
    min_size=1,
)  # fmt: skip
capacities = st.builds(
    lambda pool, executor, gil: ServiceLimits(
        {"anyio": float(pool), "executor": float(executor)}, gil, cores=2
    ),
    st.integers(1, 10), st.integers(1, 4), st.booleans(),
)  # fmt: skip
measured = st.builds(MeasuredService, services, capacities)
steady = st.builds(
    MeasuredService,
    st.dictionaries(st.sampled_from(["/a", "/b", "/c"]), visits.map(lambda each: (each,)),
                    min_size=1),
    capacities,
)  # fmt: skip
"""Services in which all requests of a route are equal: no randomness is left."""
few = settings(deadline=None, max_examples=40)


@few
@given(measured, st.integers(1, 30))
def test_littles_law(service: MeasuredService, users: int) -> None:
    """Users who never pause are in the service until they stop: their requests take all of that
    time."""
    plan = load(users, *sorted(service.demands), length_s=3.0)
    found = simulate_phase(service.build_model(), plan.plans, plan.length_s)
    spent_s = sum(sum(each) for each in found.responses_s.values())
    assert users * plan.length_s <= spent_s + TINY
    assert spent_s <= users * found.span_s + TINY


def measure_steady(service: MeasuredService, users: int) -> tuple[float, float]:
    """Requests per second, and their mean in seconds."""
    plans = load(users, *sorted(service.demands)).plans
    found = simulate_steady_state(service.build_model(), plans, 60 * users, 1.0)
    took_s = [each for mine in found.responses_s.values() for each in mine]
    return len(took_s) / found.span_s, sum(took_s) / len(took_s)


OF_CHANCE = 0.15
"""As a share of a rate over 60 requests per user: each end of the window cuts up to two of them,
and queues need not be fair to the routes."""


@few
@given(measured, st.integers(1, 20))
def test_littles_law_of_a_steady_state(service: MeasuredService, users: int) -> None:
    """Each end of the window cuts one request of each user's 60."""
    rps, mean_s = measure_steady(service, users)
    assert rps * mean_s == pytest.approx(users, rel=0.05)


@few
@given(steady, st.integers(1, 20))
def test_no_block_is_no_loss(service: MeasuredService, users: int) -> None:
    edit = ServiceChange(BlockEdit({(1, 1): math.inf}, await_block))
    before, after = (measure_steady(each, users)[0] for each in (service, edit.apply(service)))
    assert after >= (1 - OF_CHANCE) * before


@few
@given(steady, st.integers(1, 10), st.integers(2, 3))
def test_more_users_are_served_no_slower(service: MeasuredService, users: int, times: int) -> None:
    few_rps, many_rps = (measure_steady(service, each)[0] for each in (users, times * users))
    assert many_rps >= (1 - OF_CHANCE) * few_rps


@few
@given(measured, st.integers(1, 20))
def test_the_same_seed_gives_the_same(service: MeasuredService, users: int) -> None:
    assert measure_steady(service, users) == measure_steady(service, users)


def test_each_wait_is_charged_to_what_the_loop_did() -> None:
    """Twenty users, of whom nineteen wait: 1.9 of 2 s of each request."""
    model = MeasuredService({"/a": (BLOCKED,)}, POOL).build_model()
    found = simulate_steady_state(model, load(20, "/a").plans, 400, 1.0)
    waited_s = sum(found.ledger.loop_s.values())
    assert found.ledger.loop_s["/a", (1, 1)] == pytest.approx(waited_s)
    assert waited_s / 400 == pytest.approx(1.9, rel=0.01)


def test_each_wait_for_a_thread_is_charged_to_its_queue() -> None:
    model = MeasuredService({"/a": (THREADED,)}, ServiceLimits({"anyio": 4.0})).build_model()
    found = simulate_steady_state(model, load(20, "/a").plans, 400, 0.1)
    assert found.ledger.queue_s["anyio", "/a"] / 400 == pytest.approx(0.4, rel=0.02)


def test_concurrent_calls_take_as_long_as_the_longest() -> None:
    calls = tuple(ThreadCall("executor", each, (1, 1)) for each in (0.1, 0.3, 0.2))
    visit = VisitDemand((ConcurrentCalls(calls), AnswerSent()), 0.0)
    for threads, took_ms in ((3.0, 300), (1.0, 600)):
        service = MeasuredService({"/a": (visit,)}, ServiceLimits({"executor": threads}))
        (level,) = simulate_levels(service, load(1, "/a"))
        assert level.p50_ms == pytest.approx(took_ms)
