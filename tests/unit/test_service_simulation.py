"""The simulated service gives what can be known without it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.theory.audit.demands import (
    AnswerSent,
    AwaitedTime,
    Demands,
    LoopBlock,
    ThreadCall,
    VisitDemand,
)
from analysis.theory.audit.model import AuditLoadModel, simulate_levels
from analysis.theory.audit.programs import build_program
from analysis.theory.audit.simulation import ServiceModel, UserPlan, simulate_phase

TINY = 1e-9
POOL = {"anyio": 40.0}


def demand(*parts: LoopBlock | ThreadCall | AwaitedTime, cpu_s: float = 0.0) -> VisitDemand:
    return VisitDemand((*parts, AnswerSent()), cpu_s, 0.0)


def load(users: int, *routes: str, length_s: float = 10.0) -> AuditLoadModel:
    orders = [tuple(random.Random(user).sample(routes, len(routes))) for user in range(users)]
    return AuditLoadModel(tuple(UserPlan(each) for each in orders), length_s, users)


BLOCKED = demand(LoopBlock(0.1, (1, 1)))
THREADED = demand(ThreadCall("anyio", 0.1, (1, 1)))
AWAITING = demand(AwaitedTime(0.1))


def test_a_blocked_loop_serves_one_after_the_other() -> None:
    (level,) = simulate_levels({"/a": (BLOCKED,)}, POOL, load(20, "/a"))
    assert level.rps == pytest.approx(10)
    assert level.p50_ms == pytest.approx(2000)


def test_forty_threads_serve_forty_at_a_time() -> None:
    """100 users: 40 in threads, and 60 wait. 10 s of rounds of 0.1 s, and the queue behind."""
    (level,) = simulate_levels({"/a": (THREADED,)}, POOL, load(100, "/a"))
    assert level.rps == pytest.approx(400, rel=0.01)
    assert level.p50_ms == pytest.approx(250, abs=51)


def test_awaited_time_is_served_to_all_at_once() -> None:
    (level,) = simulate_levels({"/a": (AWAITING,)}, POOL, load(20, "/a"))
    assert level.rps == pytest.approx(200, rel=0.02)
    assert (level.p50_ms, level.p99_ms) == pytest.approx((100, 100))


def test_a_free_route_waits_for_what_stands_before_it() -> None:
    """One user blocks the loop all the time; another asks a route that takes no time, and waits for
    the rest of a block, and for its own turn behind the next."""
    plans = (UserPlan(("/blocks",)), UserPlan(("/free",), (0.05,)))
    free = demand(cpu_s=0.0003)
    found = simulate_levels(
        {"/blocks": (BLOCKED,), "/free": (free,)}, POOL, AuditLoadModel(plans, 20.0, 2)
    )
    blocks, answered = found
    assert blocks.rps == pytest.approx(10, rel=0.01)
    assert 50 <= answered.p50_ms <= 210


parts = st.lists(
    st.one_of(
        st.builds(LoopBlock, st.floats(0.001, 0.2), st.just((1, 1))),
        st.builds(ThreadCall, st.sampled_from(["anyio", "executor"]), st.floats(0.001, 0.2),
                  st.just((1, 1))),
        st.builds(AwaitedTime, st.floats(0.001, 0.2)),
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


@settings(deadline=None, max_examples=60)
@given(services, st.integers(1, 30), st.integers(1, 10))
def test_littles_law(service: Demands, users: int, threads: int) -> None:
    """Users who never pause are in the service all the time until they stop: what their requests
    took is what they were there."""
    programs = {route: tuple(map(build_program, each)) for route, each in service.items()}
    capacities = {"anyio": float(threads), "executor": 2.0}
    plan = load(users, *sorted(service), length_s=3.0)
    found = simulate_phase(ServiceModel(programs, capacities), plan.plans, plan.length_s)
    spent_s = sum(sum(each) for each in found.responses_s.values())
    assert users * plan.length_s <= spent_s + TINY
    assert spent_s <= users * found.span_s + TINY
