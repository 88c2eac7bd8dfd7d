"""Times in which a process, or the whole machine, did not run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import polars as pl

from records.journal import Journal
from scenarios.units import Second

LEAST_S: Second = 1.0
"""A busy machine delays a process by some tenths of a second."""
MOST_BUSY = 0.5
"""A process that used more of the time than this was working."""
SUSPENDED = "suspended"
"""The role in the machine table whose cpu_s is the time that the machine has slept since it
started, which time.monotonic() leaves out on Linux."""


@dataclass(frozen=True, slots=True)
class InstrumentPause:
    """Times are seconds since the cell's t0. machine: it slept."""

    role: Literal["runner", "load", "machine"]
    began_s: Second
    ended_s: Second


def find_pauses(
    load: Sequence[Journal], machine: pl.DataFrame, t0_s: float
) -> tuple[InstrumentPause, ...]:
    """load: the journals of the load processes on this machine, times absolute. machine: the
    runner's samples, twice a second."""
    found = [
        InstrumentPause("load", began_s - t0_s, ended_s - t0_s)
        for journal in load
        for began_s, ended_s in find_gaps(journal.tables["u"].select("at_s", "cpu_s").iter_rows())
    ]
    runner = machine.filter(pl.col("role") == "runner").sort("at_s").select("at_s", "cpu_s")
    found += [InstrumentPause("runner", *gap) for gap in find_gaps(runner.iter_rows())]
    asleep = machine.filter(pl.col("role") == SUSPENDED).sort("at_s").select("at_s", "cpu_s")
    found += [
        InstrumentPause("machine", first_s, last_s + after_s - before_s)
        for (first_s, before_s), (last_s, after_s) in pairwise(asleep.iter_rows())
        if after_s - before_s >= LEAST_S
    ]
    return tuple(sorted(found, key=lambda each: each.began_s))


def find_gaps(samples: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return begin and end of each time of LEAST_S or more between two samples (at_s, cpu_s) in
    which the process used little CPU."""
    return [
        (begin_s, end_s)
        for (begin_s, before_s), (end_s, after_s) in pairwise(samples)
        if end_s - begin_s >= LEAST_S and after_s - before_s <= MOST_BUSY * (end_s - begin_s)
    ]
