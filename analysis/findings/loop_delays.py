"""When the event loop of a process did not come round: what waits meanwhile waits for the loop."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from analysis.findings.evidence import AuditEvidence
from analysis.findings.time_asked import Span
from analysis.stats.quantiles import Values
from scenarios.units import Second

BEAT_S: Second = 0.01
"""The probe's heartbeat is renewed this often, by a loop that is free."""
FREE_BEAT_S: Second = 1.5 * BEAT_S
LATE_S: Second = 0.02
"""A heartbeat older than this is late."""
MISSED_S: Second = 0.025
"""Between two looks of the probe this far apart nobody knows of the loop."""
LATENESS_EVERY_S: Second = 0.5


class LoopDelays:
    """By process: the stretches in which one handle blocked the loop, the times in which the
    heartbeat was late (many short handles before it), and those in which the probe could not look:
    what kept its thread, such as the GIL, keeps the loop's."""

    def __init__(self, evidence: AuditEvidence) -> None:
        spans: dict[int, list[Span]] = defaultdict(list)
        for each in evidence.stretches:
            spans[each.pid].append((each.began_s, each.ended_s))
        ages = evidence.samples.drop_nulls(["pid", "at_s", "heartbeat_age_s"])
        late = ages.filter(pl.col("heartbeat_age_s") > LATE_S)
        for pid, at_s, age_s in late.select("pid", "at_s", "heartbeat_age_s").iter_rows():
            spans[pid].append((at_s - age_s + BEAT_S, at_s))
        for pid, last_s, at_s in find_missed_looks(ages).iter_rows():
            spans[pid].append((last_s, at_s))
        self._late = {pid: accumulate_spans(each) for pid, each in spans.items()}
        self._rounds = measure_rounds(ages)

    def measure_overlap(self, pids: Values, begin_s: Values, end_s: Values) -> Values:
        """Seconds of each interval in which its process's loop was late."""
        found: Values = np.zeros(len(begin_s))
        for pid, (edges_s, before_s) in self._late.items():
            late_s = np.interp(end_s, edges_s, before_s) - np.interp(begin_s, edges_s, before_s)
            found += np.where(pids == pid, late_s, 0.0)
        return found

    def measure_rounds(self, pids: Values, at_s: Values) -> Values:
        """How long the loop took, about then, to come to a handle that was ready."""
        found: Values = np.zeros(len(at_s))
        for pid, (times_s, rounds_s) in self._rounds.items():
            place = np.clip(np.searchsorted(times_s, at_s, "right") - 1, 0, len(times_s) - 1)
            found += np.where(pids == pid, rounds_s[place], 0.0)
        return found


def find_missed_looks(ages: pl.DataFrame) -> pl.DataFrame:
    looks = ages.sort("pid", "at_s").select(
        "pid", last_s=pl.col("at_s").shift(1).over("pid"), at_s=pl.col("at_s")
    )
    return looks.filter(pl.col("at_s") - pl.col("last_s") > MISSED_S)


def accumulate_spans(spans: Iterable[Span]) -> tuple[Values, Values]:
    """The edges of their union, and how much of it lies before each edge."""
    edges_s: list[Second] = []
    before_s: list[Second] = []
    total_s = 0.0
    for begin_s, end_s in sorted(spans):
        if edges_s and begin_s <= edges_s[-1]:
            more_s = max(0.0, end_s - edges_s[-1])
            edges_s[-1] += more_s
            total_s += more_s
            before_s[-1] = total_s
        elif end_s > begin_s:
            edges_s += begin_s, end_s
            before_s.append(total_s)
            total_s += end_s - begin_s
            before_s.append(total_s)
    return np.array(edges_s or [0.0]), np.array(before_s or [0.0])


def measure_rounds(ages: pl.DataFrame) -> Mapping[int, tuple[Values, Values]]:
    """By process: moments, and from each on the length of a usual round. An age grows from nothing
    to a beat and a round, so that twice its median, without the beat, is a round. What a free
    loop reads, half a beat for its timers, is left out."""
    rows = (
        ages.with_columns(bin=(pl.col("at_s") / LATENESS_EVERY_S).floor() * LATENESS_EVERY_S)
        .group_by("pid", "bin")
        .agg(middle_s=pl.col("heartbeat_age_s").median())
        .sort("bin")
        .with_columns(round_s=(2 * pl.col("middle_s") - FREE_BEAT_S).clip(lower_bound=0.0))
    )
    return {
        int(pid): (part["bin"].to_numpy(), part["round_s"].to_numpy())
        for (pid,), part in rows.group_by("pid", maintain_order=True)
    }
