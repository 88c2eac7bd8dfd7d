"""The same server under more and more users, by formulas."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from analysis.theory.formulas import build_stations
from analysis.theory.model import ServerModel
from analysis.theory.networks import Station, compute_asymptotic_bounds, compute_throughput
from scenarios.errors import UserError
from scenarios.units import Second

MOST_USERS = 10_000_000


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
    """In order of users. `knee_users` is N* of Denning and Buzen: from there on more users bring
    more waiting and hardly any more throughput. It and `highest_rps` are None where only the users
    limit."""

    points: tuple[CurvePoint, ...]
    knee_users: float | None
    highest_rps: float | None


def parse_users(text: str) -> tuple[int, ...]:
    """`500`, or `100..100000` for about five steps from each power of ten to the next.

    Raises UserError.
    """
    match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", text.strip(), re.ASCII)
    if match is None:
        raise UserError(f"--users {text!r}: give a number, or a range such as 100..100000")
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high <= MOST_USERS:
        raise UserError(f"--users {text}: give 1 to {MOST_USERS}, the smaller number first")
    return build_users_grid(low, high)


def build_users_grid(low: int, high: int, per_decade: int = 5) -> tuple[int, ...]:
    """Numbers of users with about equal ratios between neighbours, `low` and `high` included."""
    if not 1 <= low <= high:
        raise ValueError(f"users from {low} to {high}: they start at 1 and go up")
    steps = max(1, math.ceil(per_decade * math.log10(high / low)))
    grid = {round(low * (high / low) ** (step / steps)) for step in range(steps + 1)}
    return tuple(sorted(grid | {low, high}))


def compute_curve(model: ServerModel, users: Sequence[int], think_s: Second = 0.0) -> Curve:
    """Users are dealt out to the workers, which share nothing but the cores.

    Raises ValueError if a request takes no time.
    """
    stations = cache(build_stations)  # at most one for each number of busy workers
    one = compute_asymptotic_bounds(1, think_s, stations(model.scale_cpu_to_users(None)))
    return Curve(
        points=tuple(
            compute_curve_point(
                count, think_s, stations(model.scale_cpu_to_users(count)), model.workers
            )
            for count in sorted(set(users))
        ),
        knee_users=one.knee_users and model.workers * one.knee_users,
        highest_rps=one.highest_rps and model.workers * one.highest_rps,
    )


def compute_curve_point(
    users: int, think_s: Second, stations: Sequence[Station], workers: int
) -> CurvePoint:
    few, one_more = divmod(users, workers)
    rate = sum(
        of * compute_throughput(share, think_s, stations)
        for share, of in ((few, workers - one_more), (few + 1, one_more))
        if share > 0 and of > 0
    )
    fullest = compute_asymptotic_bounds(math.ceil(users / workers), think_s, stations)
    return CurvePoint(users, rate, users / rate - think_s, fullest.limited_by)
