"""The size that a load requires: workers, threads, machines."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from analysis.theory.formulas import find_bottleneck
from analysis.theory.model import ServerModel
from analysis.theory.networks import compute_highest_rps
from analysis.theory.ordered import keeps_order
from analysis.theory.tails import TailEstimate, simulate_p99
from scenarios.units import Second

MOST_WORKERS = 4096


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """A rate in requests per second, and the 99th percentile that it must meet."""

    rate_per_s: float
    p99_s: Second


@dataclass(frozen=True, slots=True)
class Sizing:
    """`pool`: per worker, None where the style uses none. `p99_s`: of one such worker, with a 95 %
    interval.

    undecided_workers: the lowest number for which the simulation is inconclusive; None if it
      decided every number.
    at_least_workers, bound_by: by the formulas alone, fewer workers with the given pool cannot keep
      up whatever p99 is allowed, because of that station; None where nothing ever fills up.
    """

    workers: int
    pool: int | None
    machines: int
    p99_s: Second
    p99_low_s: Second | None
    p99_high_s: Second | None
    undecided_workers: int | None
    simulations: int
    simulated_requests: int
    at_least_workers: int
    bound_by: str | None


@dataclass(frozen=True, slots=True)
class SizeSearch:
    """The sizes tried for a target, each simulated once."""

    target: LoadTarget
    tails: dict[tuple[ServerModel, int], TailEstimate | None] = field(default_factory=dict)

    def is_met_by(self, model: ServerModel, workers: int) -> bool:
        """Return True if this size surely meets the target. The formulas must allow a steady state
        too: beyond capacity, a p99 only shows how long the test ran."""
        tail = self.find_tail(model, workers)
        return tail is not None and tail.is_below(self.target.p99_s)

    def settle(self, model: ServerModel, workers: int) -> tuple[ServerModel, float]:
        """Return one of these workers, with its own core and the CPU per request at its share of
        the rate, and its utilization."""
        share = self.target.rate_per_s / workers
        one = replace(model, workers=1, cores=1).scale_cpu_to_rate(share)
        return one, share / compute_highest_rps(find_bottleneck(one))

    def find_tail(self, model: ServerModel, workers: int) -> TailEstimate | None:
        """Return None beyond capacity, and with failures."""
        one, busy = self.settle(model, workers)
        if busy >= 1 or not keeps_order(model):
            return None
        if (model, workers) not in self.tails:
            share = self.target.rate_per_s / workers
            self.tails[model, workers] = simulate_p99(one, share, busy, self.target.p99_s)
        return self.tails[model, workers]

    def find_undecided(self, model: ServerModel, enough: int) -> int | None:
        """Find the fewest workers for which the simulation is inconclusive."""
        limit_s = self.target.p99_s
        return min(
            (
                workers
                for (tried, workers), tail in self.tails.items()
                if tried == model and workers < enough
                if tail is not None and not tail.is_above(limit_s)
            ),
            default=None,
        )

    def shrink_pool(self, model: ServerModel, workers: int) -> ServerModel:
        """Find the smallest pool; by Little's law, it has more tokens than rate × time."""
        one, _ = self.settle(model, workers)
        at_least = math.floor(self.target.rate_per_s / workers * one.undisturbed_s) + 1
        tokens = search_fewest(
            at_least,
            model.pool,
            lambda count: self.is_met_by(replace(model, pool=count), workers),
        )
        return model if tokens is None else replace(model, pool=tokens)


def compute_sizing(target: LoadTarget, model: ServerModel, cores_per_machine: int) -> Sizing | None:
    """Compute the fewest workers, each with the model's pool, that serve Poisson arrivals with a
    p99 of at most the target's and without failures; then the smallest pool with which they still
    do. Assume one core per worker, whatever the model says. None if MOST_WORKERS are too few, or a
    request alone is too slow.

    Simulate one worker at its share of the rate: arrivals divided at random stay Poisson. Doubling
    and bisection take at most 2 · log2(MOST_WORKERS) = 24 simulations for the workers and
    2 · log2(pool) for the pool, usually ten in total. Each continues until its interval decides, or
    for MOST_REQUESTS; an undecided size is reported, but not chosen.
    """
    search = SizeSearch(target)
    at_least = search_fewest(1, MOST_WORKERS, lambda count: search.settle(model, count)[1] < 1)
    if at_least is None or model.undisturbed_s > target.p99_s:
        return None
    tightest = find_bottleneck(search.settle(model, at_least)[0])
    workers = search_fewest(at_least, MOST_WORKERS, lambda count: search.is_met_by(model, count))
    if workers is None:
        return None
    smallest = search.shrink_pool(model, workers) if model.needs_tokens else model
    tail = search.find_tail(smallest, workers)
    assert tail is not None  # it met the target
    return Sizing(
        workers=workers,
        pool=smallest.pool if model.needs_tokens else None,
        machines=math.ceil(workers / cores_per_machine),
        p99_s=tail.p99_s,
        p99_low_s=tail.low_s,
        p99_high_s=tail.high_s,
        undecided_workers=search.find_undecided(model, workers),
        simulations=len(search.tails),
        simulated_requests=sum(each.requests for each in search.tails.values() if each),
        at_least_workers=at_least,
        bound_by=tightest.name if math.isfinite(compute_highest_rps(tightest)) else None,
    )


def search_fewest(low: int, high: int, good: Callable[[int], bool]) -> int | None:
    """Find the smallest good count from `low` to `high`; None if none. Larger ones must be good."""
    if low > high:
        return None
    bad, enough = low - 1, low
    while not good(enough):
        if enough == high:
            return None
        bad, enough = enough, min(2 * enough, high)
    while enough - bad > 1:
        middle = (bad + enough) // 2
        if good(middle):
            enough = middle
        else:
            bad = middle
    return enough
