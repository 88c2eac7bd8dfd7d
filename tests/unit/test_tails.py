"""The p99 for a number of workers, with its interval."""

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.report.prediction_tables import describe_sizing
from analysis.theory import tails
from analysis.theory.cpu_law import CpuLaw
from analysis.theory.model import ServerModel
from analysis.theory.sizing import LoadTarget, SizeSearch, compute_sizing
from analysis.theory.steady import predict_steady_state
from analysis.theory.tails import estimate_p99, simulate_p99
from records.prediction import OverloadPrediction
from scenarios.model import Load


def test_fewer_than_one_in_a_hundred_wait_where_the_server_is_idle_enough() -> None:
    server = ServerModel("async def that blocks", delay_s=0.1)
    found = simulate_p99(server, 0.05, 0.005, 0.05)  # half a percent of the time is busy
    assert found is not None
    assert found.p99_s == pytest.approx(0.1)  # fewer than one in a hundred waits
    assert found.is_above(0.05)
    assert not found.is_below(0.05)


def test_the_intervals_hold_the_p99_as_often_as_they_say() -> None:
    """M/D/1, half busy, 25 seeds against the closed form: 95 % of the intervals should contain it;
    19 or fewer of 25 happen once in a thousand times."""
    server = ServerModel("async def that blocks", delay_s=0.1)
    found = [simulate_p99(server, 5.0, 0.5, 1.0, seed) for seed in range(25)]
    known = [each for each in found if each is not None]
    exact_s = 0.1 * (1 + compute_md1_wait(0.5, 0.99))
    inside = [
        each
        for each in known
        if each.low_s is not None and each.high_s is not None
        if each.low_s <= exact_s <= each.high_s
    ]
    assert len(known) == 25
    assert len(inside) > 19
    middle_s = np.mean([each.p99_s for each in known])
    assert middle_s == pytest.approx(exact_s, rel=0.01)


def compute_md1_wait(busy: float, share: float) -> float:
    """In service times: where the distribution of the wait reaches the share (Erlang, 1909)."""

    def reached(wait: float) -> float:
        terms = (
            (-busy * (wait - k)) ** k / math.factorial(k) * math.exp(busy * (wait - k))
            for k in range(math.floor(wait) + 1)
        )
        return (1 - busy) * sum(terms)

    low, high = 0.0, 20.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < share else (low, middle)
    return high


def test_stretches_that_are_alike_have_no_interval() -> None:
    drifting = np.linspace(1.0, 2.0, 21_000)
    found = estimate_p99(drifting)
    assert (found.low_s, found.high_s) == (None, None)
    assert not found.is_below(10.0)
    assert found.is_above(1.0)  # even the lowest stretch is above it


@pytest.mark.parametrize(("workers", "low_s", "high_s"), [(524, 1.9, 2.3), (532, 1.7, 2.0)])
def test_the_tail_of_the_issue(workers: int, low_s: float, high_s: float) -> None:
    """Three runs of 700,000 requests each with a simulation of its own (issue 14): 2.16 s with 524
    workers of 40 threads, 1.89 s with 532; here 2.0 and 2.1 s, 1.78 and 1.81 s for two seeds of
    700,000. One run of 10,000 once had less than 2 s with 524."""
    server = ServerModel("def", pool=40, loop_cpu_s=0.001, cpu_jitter="exponential")
    share = 20_000 / workers
    found = simulate_p99(server, share, share / 39.96, 2.0)
    assert found is not None
    assert low_s < found.p99_s < high_s
    assert found.requests > 100_000  # a queue that is 95 % busy has a long memory
    assert found.is_below(2.0) == (workers == 532)


def test_a_size_in_doubt_is_not_taken_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With few requests almost every size is in doubt."""
    monkeypatch.setattr(tails, "MOST_REQUESTS", 4200)
    server = ServerModel("def", pool=4, loop_cpu_s=0.001, cpu_jitter="exponential")
    sizing = compute_sizing(LoadTarget(100.0, 2.0), server, 8)
    assert sizing is not None
    assert sizing.p99_high_s is not None
    assert sizing.p99_high_s <= 2.0
    assert sizing.undecided_workers is not None
    assert sizing.undecided_workers < sizing.workers
    shown = describe_sizing("x", 100.0, 2000.0, sizing)
    assert f"for {sizing.undecided_workers} to {sizing.workers - 1} workers" in shown


def test_a_size_and_a_single_question_use_the_same_cpu() -> None:
    """1 ms alone, and 3 ms with many in flight on the two cores of its threads: a worker with one
    core serves 333 requests per second, and not 1,000 or 666."""
    law = CpuLaw(0.001, company_s=0.002, largest=100, parallel=2.0)
    model = ServerModel(
        "async def", delay_s=0.1, loop_cpu_s=0.001, cpu_law=law, cpu_jitter="exponential"
    )
    target = LoadTarget(600.0, 1.0)
    sizing = compute_sizing(target, model, 8)
    assert sizing is not None
    assert (sizing.workers, sizing.at_least_workers, sizing.bound_by) == (2, 2, "interpreter")
    one = replace(model, cores=1)
    asked = [
        predict_steady_state(one, Load(arrival_rate=600.0 / workers, arrivals="poisson"))
        for workers in (1, 3)
    ]
    assert isinstance(asked[0], OverloadPrediction)
    tail = SizeSearch(target).find_tail(model, 3)
    assert tail is not None
    assert asked[1].p99_ms == pytest.approx(1000 * tail.p99_s, rel=0.05)


def test_the_smallest_pool_holds_what_is_in_flight_under_load() -> None:
    """100 per second, of 94 ms each alone and 103 ms under load, need more than ten tokens."""
    law = CpuLaw(0.0001, company_s=0.01, most=40, largest=100)
    model = ServerModel("def", delay_s=0.0939, loop_cpu_s=0.0001, cpu_law=law)
    sizing = compute_sizing(LoadTarget(100.0, 10.0), model, 8)
    assert sizing is not None
    assert sizing.pool is not None
    settled = replace(model, cores=1).scale_cpu_to_rate(100.0)
    assert sizing.pool > 100.0 * settled.undisturbed_s > 10
