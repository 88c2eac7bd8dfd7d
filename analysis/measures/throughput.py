"""How many requests ended in the window, good or bad, how many never did; and from how many users
on the throughput grew no more."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.measures.window import CellRows
from analysis.stats.quotients import divide_or_none
from records.cell import CellRecord
from scenarios.units import Second

ENOUGH = 0.95
"""Of the throughput with all users: within this it has arrived, and noise is no growth."""
LOOK_AHEAD = 3
"""Levels that must have arrived in a row: one alone may be luck."""
FEWEST_A_LEVEL = 30
"""Answers while so many users were there: 30 vary by a fifth."""
FEWEST_LEVELS = 5


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """DESIGN: windows, populations, words."""

    duration_s: Second | None
    requests: int
    failures: int
    failure_ratio: float | None
    unfinished: int
    rps: float | None
    ok_rps: float | None
    failures_per_s: float | None
    success_ratio: float | None


def measure_throughput(rows: CellRows) -> Throughput:
    """With requests that got no answer and are no rows, where the load knows only their number."""
    requests = rows.completions.height + sum(rows.record.faults.values())
    ok, length_s = rows.completions["error"].null_count(), rows.window.length_s
    return Throughput(
        duration_s=length_s or None,
        requests=requests,
        failures=requests - ok,
        failure_ratio=divide_or_none(requests - ok, requests),
        unfinished=rows.requests["ended_s"].null_count(),
        rps=divide_or_none(requests, length_s),
        ok_rps=divide_or_none(ok, length_s),
        failures_per_s=divide_or_none(requests - ok, length_s),
        success_ratio=divide_or_none(ok, requests),
    )


@dataclass(frozen=True, slots=True)
class RampGrowth:
    """saturated_from: users, None where throughput grew to the ramp's end. levels: (users, requests
    a second), from one user on."""

    saturated_from: int | None
    levels: tuple[tuple[int, float], ...]


def measure_ramp_growth(
    record: CellRecord, requests: pl.DataFrame, ok_rps: float | None
) -> RampGrowth | None:
    """`requests` has ended_s and error. None where the ramp was too quick to tell: then each number
    of users was there for too few answers."""
    load, ramp_end_s = record.scenario.load, record.phases.ramp_end_s
    if load.is_open or not load.tells_ids or ramp_end_s is None or not ok_rps:
        return None
    begin_s = ramp_end_s - load.users / load.spawn_rate
    marks = [begin_s + users / load.spawn_rate for users in range(load.users + 1)]
    good = requests.filter(pl.col("error").is_null(), pl.col("ended_s").is_not_null())
    counts = np.histogram(good["ended_s"].to_numpy(), bins=marks)[0]
    if len(counts) < FEWEST_LEVELS or counts.min() < FEWEST_A_LEVEL:
        return None
    rates: list[float] = (counts / np.diff(marks)).tolist()
    reached = find_plateau(rates, ok_rps)
    return RampGrowth(
        saturated_from=None if reached is None else reached + 1,
        levels=tuple(enumerate(rates, start=1)),
    )


def find_plateau(rates: Sequence[float], finally_rps: float) -> int | None:
    """The first place from which on several in a row are as high as at the end."""
    good = [rate >= ENOUGH * finally_rps for rate in rates]
    places = range(len(good) - LOOK_AHEAD + 1)
    return next((at for at in places if all(good[at : at + LOOK_AHEAD])), None)
