"""The size that a load needs: workers, threads, machines."""

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
    """How big must it be for so many requests a second, 99 % of them answered in time?"""

    rate_per_s: float
    p99_s: Second


@dataclass(frozen=True, slots=True)
class Sizing:
    """`pool` is per worker, None where the style uses none. `p99_s` is what one such worker
    shows, with its 95 % interval.

    undecided_workers: from so many on the simulation does not know whether they do; None where it
      knows of each number.
    at_least_workers, bound_by: what the formulas say before any simulation: fewer workers, with
      the pool as it was given, cannot keep up whatever p99 is allowed, because of that station.
      None where nothing ever fills up.
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
        """Beyond doubt. Steady by the formulas too: beyond capacity, a p99 only says how long the
        test was."""
        tail = self.find_tail(model, workers)
        return tail is not None and tail.is_below(self.target.p99_s)

    def find_tail(self, model: ServerModel, workers: int) -> TailEstimate | None:
        """None beyond capacity, and with failures."""
        share = self.target.rate_per_s / workers
        busy = share / compute_highest_rps(find_bottleneck(model))
        if busy >= 1 or not keeps_order(model):
            return None
        if (model, workers) not in self.tails:
            one = replace(model, workers=1)
            self.tails[model, workers] = simulate_p99(one, share, busy, self.target.p99_s)
        return self.tails[model, workers]

    def find_undecided(self, model: ServerModel, enough: int) -> int | None:
        """The fewest workers tried of which the simulation is not sure."""
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
        """By Little's law, fewer tokens than rate × time are all taken all the time."""
        at_least = math.floor(self.target.rate_per_s / workers * model.undisturbed_s) + 1
        tokens = search_fewest(
            at_least,
            model.pool,
            lambda count: self.is_met_by(replace(model, pool=count), workers),
        )
        return model if tokens is None else replace(model, pool=tokens)


def compute_sizing(target: LoadTarget, model: ServerModel, cores_per_machine: int) -> Sizing | None:
    """The fewest workers, each with the model's pool, that answer Poisson arrivals with a p99 of
    at most the target's and no failures; then the smallest pool with which so many still do. One
    core for each worker, whatever the model's are. None if MOST_WORKERS are too few, or an
    undisturbed request too slow.

    One worker is simulated, at its share of the rate: arrivals dealt out at random stay Poisson.
    By doubling and bisection: at most 2 · log2(MOST_WORKERS) = 24 simulations for the workers and
    2 · log2(pool) for the pool; commonly ten in all. Each goes on until its interval leaves no
    doubt, or for MOST_REQUESTS: a size in doubt is not taken, and named.
    """
    if model.undisturbed_s > target.p99_s:
        return None
    search, tightest = SizeSearch(target), find_bottleneck(model)
    at_least = math.floor(target.rate_per_s / (highest_rps := compute_highest_rps(tightest))) + 1
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
        bound_by=tightest.name if math.isfinite(highest_rps) else None,
    )


def search_fewest(low: int, high: int, good: Callable[[int], bool]) -> int | None:
    """The smallest count from `low` to `high` that is good, if from some count on all are. None
    if not even `high` is."""
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
