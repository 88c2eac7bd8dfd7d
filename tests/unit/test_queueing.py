import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.theory.formulas import compute_curve, compute_erlang_c, estimate_mgc_wait_s
from analysis.theory.model import ServerModel
from analysis.theory.networks import (
    Delay,
    FlowEquivalent,
    MultiServer,
    Queue,
    Station,
    compute_asymptotic_bounds,
    compute_throughput,
    compute_throughputs,
)

CLOSE = 1e-9
"""Relative. The logarithms of the normalising constants reach some 20,000 with 16 digits."""

demands = st.floats(0.001, 2.0)
thinks = st.just(0.0) | st.floats(0.001, 10.0)
populations = st.integers(1, 80)
growing_rates = st.lists(st.floats(0.1, 50.0), min_size=1, max_size=8).map(
    lambda rates: np.array(sorted(rates))
)


@st.composite
def networks(draw: st.DrawFn, with_equivalents: bool = True) -> list[Station]:
    kinds = ["queue", "delay", "several"] + ["equivalent"] * with_equivalents
    stations: list[Station] = []
    for place, kind in enumerate(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))):
        name = f"station {place}"
        match kind:
            case "queue":
                stations.append(Queue(name, draw(demands)))
            case "delay":
                stations.append(Delay(name, draw(demands)))
            case "several":
                stations.append(MultiServer(name, draw(demands), draw(st.integers(1, 60))))
            case _:
                stations.append(FlowEquivalent(name, draw(growing_rates)))
    return stations


@given(populations, thinks, networks())
def test_more_users_never_lower_the_throughput(
    users: int, think_s: float, stations: list[Station]
) -> None:
    rates = compute_throughputs(users, think_s, stations)
    assert all(more >= fewer * (1 - CLOSE) for fewer, more in pairwise(rates))
    assert rates[-1] == pytest.approx(compute_throughput(users, think_s, stations), rel=CLOSE)


@given(populations, thinks, networks(with_equivalents=False))
def test_nothing_is_better_than_the_asymptotic_bounds(
    users: int, think_s: float, stations: list[Station]
) -> None:
    rate = compute_throughput(users, think_s, stations)
    bounds = compute_asymptotic_bounds(users, think_s, stations)
    assert 0 < rate <= bounds.throughput_rps * (1 + CLOSE)
    # by Little's law; a response is a small difference of large numbers where users think long
    assert users / rate >= (bounds.response_s + think_s) * (1 - CLOSE)


def test_the_bounds_name_who_limits_and_where_that_begins() -> None:
    stations: list[Station] = [Queue("interpreter", 0.01), MultiServer("pool", 1.0, 40)]
    assert compute_asymptotic_bounds(30, 0.0, stations).limited_by == "users"
    assert compute_asymptotic_bounds(500, 0.0, stations).limited_by == "pool"
    assert compute_asymptotic_bounds(500, 0.0, stations).highest_rps == 40.0
    assert compute_asymptotic_bounds(500, 0.0, stations).knee_users == pytest.approx(1.01 * 40)
    slower: list[Station] = [Queue("interpreter", 0.05), MultiServer("pool", 1.0, 40)]
    assert compute_asymptotic_bounds(500, 0.0, slower).limited_by == "interpreter"


def test_where_nothing_limits_there_is_no_knee() -> None:
    bounds = compute_asymptotic_bounds(10_000, 0.0, [Delay("upstream", 2.0)])
    assert bounds.limited_by == "users"
    assert bounds.highest_rps is None
    assert bounds.knee_users is None
    assert bounds.throughput_rps == 5000.0


def repairman_throughput(users: int, think_s: float, demand_s: float, servers: int) -> float:
    """The birth-death chain of n users at the servers, by hand, in logarithms."""
    logs = [0.0]
    for inside in range(1, users + 1):
        arriving = (users - inside + 1) / think_s
        leaving = min(inside, servers) / demand_s
        logs.append(logs[-1] + math.log(arriving) - math.log(leaving))
    greatest = max(logs)
    shares = [math.exp(each - greatest) for each in logs]
    rates = (min(inside, servers) / demand_s for inside in range(users + 1))
    return sum(p * rate for p, rate in zip(shares, rates, strict=True)) / sum(shares)


@given(populations, st.floats(0.01, 10.0), demands, st.integers(1, 60))
def test_one_station_and_thinking_users_are_the_machine_repairman(
    users: int, think_s: float, demand_s: float, servers: int
) -> None:
    found = compute_throughput(users, think_s, [MultiServer("menders", demand_s, servers)])
    expected = repairman_throughput(users, think_s, demand_s, servers)
    assert found == pytest.approx(expected, rel=CLOSE)


@pytest.mark.parametrize("think_s", [0.5, 3.0, 6.0])  # beyond, at and before saturation
def test_thousands_of_users_and_hundreds_of_servers_keep_their_digits(think_s: float) -> None:
    found = compute_throughput(2000, think_s, [MultiServer("pool", 1.0, 500), Queue("cpu", 1e-4)])
    alone = compute_throughput(2000, think_s, [MultiServer("pool", 1.0, 500)])
    expected = repairman_throughput(2000, think_s, 1.0, 500)
    assert alone == pytest.approx(expected, rel=CLOSE)
    # a fast station in addition takes at most its share of a response
    assert expected * (1 - 1e-3) < found <= expected * (1 + CLOSE)


@given(populations, thinks, demands, demands)
def test_as_many_servers_as_users_are_a_pure_delay(
    users: int, think_s: float, first_s: float, second_s: float
) -> None:
    other = Queue("other", first_s)
    several = compute_throughput(users, think_s, [other, MultiServer("it", second_s, users)])
    endless = compute_throughput(users, think_s, [other, Delay("it", second_s)])
    assert several == pytest.approx(endless, rel=CLOSE)


@given(populations, thinks, demands, demands)
def test_one_server_is_a_queue(users: int, think_s: float, first_s: float, second_s: float) -> None:
    other = Delay("other", first_s)
    one = compute_throughput(users, think_s, [other, MultiServer("it", second_s, 1)])
    assert one == compute_throughput(users, think_s, [other, Queue("it", second_s)])


@given(populations, thinks, demands, networks())
def test_a_subsystem_may_be_replaced_by_its_flow_equivalent(
    users: int, think_s: float, demand_s: float, inside: list[Station]
) -> None:
    outside = Queue("outside", demand_s)
    directly = compute_throughput(users, think_s, [outside, *inside])
    equivalent = FlowEquivalent("inside", compute_throughputs(users, 0.0, inside))
    replaced = compute_throughput(users, think_s, [outside, equivalent])
    assert replaced == pytest.approx(directly, rel=CLOSE)


def test_a_station_without_demand_takes_no_time() -> None:
    found = compute_throughput(10, 1.0, [Queue("idle", 0.0), Queue("busy", 0.05)])
    assert found == pytest.approx(compute_throughput(10, 1.0, [Queue("busy", 0.05)]), rel=CLOSE)


def test_thousands_of_threads_are_no_limit_of_the_formula() -> None:
    """5,000 users of a second each, 0.1 ms of CPU: 4,999.0 per second by exact mean-value analysis.
    A pool of 5,000 threads lets no request wait."""
    model = ServerModel("def", pool=5000, delay_s=1.0, loop_cpu_s=0.0001)
    (point,) = compute_curve(model, [5000]).points
    assert point.ok_rps == pytest.approx(4999.0, abs=0.05)
    awaited = compute_curve(replace(model, style="async def"), [5000]).points[0]
    assert point.ok_rps == pytest.approx(awaited.ok_rps, rel=CLOSE)


@pytest.mark.parametrize("pool", [40, 3000, 3001, 100_000])
def test_a_curve_has_its_knee_at_its_pool_however_large(pool: int) -> None:
    model = ServerModel("def", pool=pool, delay_s=1.0, loop_cpu_s=1e-6)
    found = compute_curve(model, [pool // 2, 10 * pool])
    assert found.knee_users == pytest.approx(pool, rel=0.01)
    assert [each.ok_rps for each in found.points] == pytest.approx([pool // 2, pool], rel=0.01)


def test_what_has_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least one"):
        compute_throughput(0, 1.0, [Queue("cpu", 0.1)])
    with pytest.raises(ValueError, match="takes any time"):
        compute_throughput(1, 0.0, [Queue("cpu", 0.0)])


@pytest.mark.parametrize(
    ("load", "servers", "share"),
    # M/M/1: the load; M/M/2: ρ·2ρ/(1+ρ); the last from Erlang's tables
    [(0.5, 1, 0.5), (1.0, 2, 1 / 3), (1.5, 2, 9 / 14), (4.0, 5, 0.5541)],
)
def test_the_share_that_waits(load: float, servers: int, share: float) -> None:
    assert compute_erlang_c(load, servers) == pytest.approx(
        share, abs=5e-5
    )  # four digits in the tables


@given(st.floats(0.01, 0.999), st.integers(1, 5000))
def test_the_share_that_waits_is_a_share_however_many_servers(busy: float, servers: int) -> None:
    share = compute_erlang_c(busy * servers, servers)
    assert share is not None
    assert 0 <= share <= busy * (1 + CLOSE)  # more servers at the same load each: less waiting


def test_known_waits_of_single_servers() -> None:
    # ten a second, 50 ms each: half busy
    assert estimate_mgc_wait_s(10, 0.05, 1.0, 1) == pytest.approx(0.05)  # M/M/1: ρ / (μ - λ)
    assert estimate_mgc_wait_s(10, 0.05, 0.0, 1) == pytest.approx(0.025)  # M/D/1: half of that
    assert estimate_mgc_wait_s(10, 0.0, 0.0, 1) == 0.0


def test_beyond_capacity_there_is_no_steady_wait() -> None:
    assert compute_erlang_c(40.0, 40) is None
    assert estimate_mgc_wait_s(41, 1.0, 0.0, 40) is None
