"""When the event loop of a process did not come round: what waits meanwhile waits for the loop."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from analysis.findings.evidence import AuditEvidence
from analysis.findings.spans import Span
from analysis.stats.quantiles import Values
from analysis.stats.step_function import StepFunction
from scenarios.units import Second

BEAT_S: Second = 0.01
"""The probe's heartbeat is renewed this often, by a loop that is free."""
FREE_BEAT_S: Second = 1.5 * BEAT_S
LATE_S: Second = 0.02
"""A heartbeat older than this is late."""
MISSED_S: Second = 0.025
"""Between two looks of the probe this far apart nobody knows of the loop."""
LATENESS_EVERY_S: Second = 0.5


class CoveredTime:
    """By process, the union of spans."""

    def __init__(self, spans: Iterable[tuple[int, Second, Second]]) -> None:
        by_process: dict[int, list[Span]] = defaultdict(list)
        for pid, begin_s, end_s in spans:
            by_process[pid].append((begin_s, end_s))
        self._unions = {pid: StepFunction.cover(each) for pid, each in by_process.items()}

    def measure_overlap(self, pids: Values, begin_s: Values, end_s: Values) -> Values:
        """Of each interval, in its process."""
        found: Values = np.zeros(len(begin_s))
        for pid, union in self._unions.items():
            found += np.where(pids == pid, union.integrate(begin_s, end_s), 0.0)
        return found


class LoopDelays:
    """By process: the stretches in which one handle blocked the loop, the times in which the
    heartbeat was late (many short handles before it), and those in which the probe could not look:
    what kept its thread, such as the GIL, keeps the loop's."""

    def __init__(self, evidence: AuditEvidence) -> None:
        spans = [(each.pid, each.began_s, each.ended_s) for each in evidence.stretches]
        ages = evidence.samples.drop_nulls(["pid", "at_s", "heartbeat_age_s"])
        late = ages.filter(pl.col("heartbeat_age_s") > LATE_S)
        for pid, at_s, age_s in late.select("pid", "at_s", "heartbeat_age_s").iter_rows():
            spans.append((pid, at_s - age_s + BEAT_S, at_s))
        spans += find_missed_looks(ages).iter_rows()
        self._late = CoveredTime(spans)
        self._rounds = measure_rounds(ages)

    def measure_overlap(self, pids: Values, begin_s: Values, end_s: Values) -> Values:
        """Seconds of each interval in which its process's loop was late."""
        return self._late.measure_overlap(pids, begin_s, end_s)

    def measure_rounds(self, pids: Values, at_s: Values) -> Values:
        """How long the loop took, about then, to come to a handle that was ready."""
        found: Values = np.zeros(len(at_s))
        for pid, (times_s, rounds_s) in self._rounds.items():
            place = np.clip(np.searchsorted(times_s, at_s, "right") - 1, 0, len(times_s) - 1)
            found += np.where(pids == pid, rounds_s[place], 0.0)
        return found


def find_missed_looks(ages: pl.DataFrame) -> pl.DataFrame:
    """pid, and the two looks that nothing lies between."""
    looks = ages.sort("pid", "at_s").select(
        "pid", last_s=pl.col("at_s").shift(1).over("pid"), at_s=pl.col("at_s")
    )
    return looks.filter(pl.col("at_s") - pl.col("last_s") > MISSED_S)


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
