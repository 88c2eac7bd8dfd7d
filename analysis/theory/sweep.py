"""The same server under more and more users, by formulas; and the size that a load needs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from analysis.theory.formulas import build_stations
from analysis.theory.networks import compute_asymptotic_bounds, solve_closed_network
from analysis.theory.simulation import OpenLoad, simulate
from analysis.theory.stations import Station, compute_highest_rps
from analysis.theory.worker import System
from scenarios.units import Second

MOST_WORKERS = 4096
JUDGED_REQUESTS = 10_000
"""In one simulation: a hundred of them are beyond the p99."""
SETTLING_REQUESTS = 1_000
"""Before those, beside three times what an undisturbed request takes."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """`mean_s` is the response without thinking; `limited_by` is "users", or the name of the
    station that is full."""

    users: int
    ok_rps: float
    mean_s: Second
    limited_by: str


@dataclass(frozen=True, slots=True)
class Curve:
    """In order of users. `knee_users` and `highest_rps` are None where only the users limit."""

    points: tuple[CurvePoint, ...]
    knee_users: float | None
    highest_rps: float | None


@dataclass(frozen=True, slots=True)
class Sizing:
    """`pool` is per worker, None where the style uses none. `p99_s` is what one such worker
    showed.

    at_least_workers, bound_by: what the formulas say before any simulation: fewer workers, with
      the pool as it was given, cannot keep up whatever p99 is allowed, because of that station.
      None where nothing ever fills up.
    """

    workers: int
    pool: int | None
    machines: int
    p99_s: Second
    simulations: int
    at_least_workers: int
    bound_by: str | None


def build_users_grid(low: int, high: int, per_decade: int = 5) -> tuple[int, ...]:
    """Numbers of users with about equal ratios between neighbours, `low` and `high` included."""
    if not 1 <= low <= high:
        raise ValueError(f"users from {low} to {high}: they start at 1 and go up")
    steps = max(1, math.ceil(per_decade * math.log10(high / low)))
    grid = {round(low * (high / low) ** (step / steps)) for step in range(steps + 1)}
    return tuple(sorted(grid | {low, high}))


def compute_curve(system: System, users: Sequence[int], think_s: Second = 0.0) -> Curve:
    """Users are dealt out to the workers, which share nothing but the cores.

    Raises ValueError if a request takes no time.
    """
    stations = cache(build_stations)  # at most one for each number of busy workers
    one = compute_asymptotic_bounds(1, think_s, stations(system.scale_cpu_to_users(None)))
    return Curve(
        points=tuple(
            compute_curve_point(
                count, think_s, stations(system.scale_cpu_to_users(count)), system.workers
            )
            for count in sorted(set(users))
        ),
        knee_users=None if one.knee_users is None else system.workers * one.knee_users,
        highest_rps=None if one.highest_rps is None else system.workers * one.highest_rps,
    )


def get_knee_users(found: Curve) -> float | None:
    """N* of Denning and Buzen: from here on more users bring more waiting and hardly any more
    throughput. None where only the users limit."""
    return found.knee_users


def compute_curve_point(
    users: int, think_s: Second, stations: Sequence[Station], workers: int
) -> CurvePoint:
    few, one_more = divmod(users, workers)
    rate = sum(
        of * solve_closed_network(share, think_s, stations).throughput_rps
        for share, of in ((few, workers - one_more), (few + 1, one_more))
        if share > 0 and of > 0
    )
    fullest = compute_asymptotic_bounds(math.ceil(users / workers), think_s, stations)
    return CurvePoint(
        users, ok_rps=rate, mean_s=users / rate - think_s, limited_by=fullest.limited_by
    )


@dataclass(slots=True)
class SizingGoal:
    rate_per_s: float
    p99_s: Second
    seed: int
    seen: dict[tuple[System, int], Second | None] = field(default_factory=dict)
    """What was simulated so far."""

    def is_met_by(self, system: System, workers: int) -> bool:
        """Steady by the formulas too: beyond capacity, a p99 only says how long the test was."""
        highest = min(map(compute_highest_rps, build_stations(system)))
        if self.rate_per_s / workers >= highest:
            return False
        shown_s = self.simulate_p99(system, workers)
        return shown_s is not None and shown_s <= self.p99_s

    def simulate_p99(self, system: System, workers: int) -> Second | None:
        """None with failures, and where a worker's share is more than a simulation may hold."""
        if (system, workers) not in self.seen:
            share = self.rate_per_s / workers
            shown = simulate(
                replace(system, workers=1),
                OpenLoad(share),
                warm_up_s=3 * compute_undisturbed_s(system) + SETTLING_REQUESTS / share,
                window_s=JUDGED_REQUESTS / share,
                seed=self.seed,
            )
            clean = shown.failures == 0 and not shown.cut_short
            self.seen[system, workers] = shown.p99_s if clean else None
        return self.seen[system, workers]


def compute_sizing(
    rate_per_s: float, p99_s: Second, system: System, cores_per_machine: int, seed: int = 1
) -> Sizing | None:
    """The fewest workers, each with the system's pool, that answer Poisson arrivals with a p99 of
    at most `p99_s` and no failures; then the smallest pool with which so many still do. One core
    for each worker, whatever the system's are. None if MOST_WORKERS are too few, or an undisturbed
    request too slow.

    One worker is simulated, at its share of the rate: arrivals dealt out at random stay Poisson.
    By doubling and bisection: at most 2 · log2(MOST_WORKERS) = 24 simulations for the workers and
    2 · log2(pool) for the pool; commonly ten in all. The p99 of one is good to some percent, and
    so is the answer.
    """
    if compute_undisturbed_s(system) > p99_s:
        return None
    goal = SizingGoal(rate_per_s, p99_s, seed)
    tightest = min(build_stations(system), key=compute_highest_rps)
    at_least = math.floor(rate_per_s / compute_highest_rps(tightest)) + 1
    workers = search_fewest(at_least, MOST_WORKERS, lambda count: goal.is_met_by(system, count))
    if workers is None:
        return None
    smallest = shrink_pool(system, workers, goal) if system.needs_tokens else system
    shown_s = goal.simulate_p99(smallest, workers)
    assert shown_s is not None  # it met the goal
    return Sizing(
        workers=workers,
        pool=smallest.pool if system.needs_tokens else None,
        machines=math.ceil(workers / cores_per_machine),
        p99_s=shown_s,
        simulations=len(goal.seen),
        at_least_workers=at_least,
        bound_by=tightest.name if math.isfinite(compute_highest_rps(tightest)) else None,
    )


def shrink_pool(system: System, workers: int, goal: SizingGoal) -> System:
    """By Little's law, fewer tokens than rate × time are all taken all the time."""
    at_least = math.floor(goal.rate_per_s / workers * compute_undisturbed_s(system)) + 1
    tokens = search_fewest(
        at_least, system.pool, lambda count: goal.is_met_by(replace(system, pool=count), workers)
    )
    return system if tokens is None else replace(system, pool=tokens)


def compute_undisturbed_s(system: System) -> Second:
    return system.delay_s + system.loop_cpu_s


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
