"""When the event loop of a process was late: everything that waits then waits for the loop."""

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
"""How often an idle loop renews the probe's heartbeat."""
FREE_BEAT_S: Second = 1.5 * BEAT_S
LATE_S: Second = 0.02
"""An older heartbeat is late."""
MISSED_S: Second = 0.025
"""Between two samples further apart than this, the state of the loop is unknown."""
LATENESS_EVERY_S: Second = 0.5


class CoveredTime:
    """The union of spans, by process."""

    def __init__(self, spans: Iterable[tuple[int, Second, Second]]) -> None:
        by_process: dict[int, list[Span]] = defaultdict(list)
        for pid, begin_s, end_s in spans:
            by_process[pid].append((begin_s, end_s))
        self._unions = {pid: StepFunction.cover(each) for pid, each in by_process.items()}

    def measure_overlap(self, pids: Values, begin_s: Values, end_s: Values) -> Values:
        """Measure the covered seconds of each interval in its process."""
        found: Values = np.zeros(len(begin_s))
        for pid, union in self._unions.items():
            found += np.where(pids == pid, union.integrate(begin_s, end_s), 0.0)
        return found


class LoopDelays:
    """The lateness of each process's loop: stretches in which one handle blocked it, times with a
    late heartbeat (many short handles before it), and times without samples: whatever delays the
    probe's thread, such as the GIL, delays the loop's."""

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
        """Measure the seconds of each interval in which its process's loop was late."""
        return self._late.measure_overlap(pids, begin_s, end_s)

    def measure_rounds(self, pids: Values, at_s: Values) -> Values:
        """Measure how long the loop took around that time to run a handle that was ready."""
        found: Values = np.zeros(len(at_s))
        for pid, (times_s, rounds_s) in self._rounds.items():
            place = np.clip(np.searchsorted(times_s, at_s, "right") - 1, 0, len(times_s) - 1)
            found += np.where(pids == pid, rounds_s[place], 0.0)
        return found


def find_missed_looks(ages: pl.DataFrame) -> pl.DataFrame:
    """Find consecutive samples that are too far apart; return pid and both moments."""
    looks = ages.sort("pid", "at_s").select(
        "pid", last_s=pl.col("at_s").shift(1).over("pid"), at_s=pl.col("at_s")
    )
    return looks.filter(pl.col("at_s") - pl.col("last_s") > MISSED_S)


def measure_rounds(ages: pl.DataFrame) -> Mapping[int, tuple[Values, Values]]:
    """Map each process to moments and to the usual length of a round from each on. A heartbeat's
    age grows from 0 to one beat plus one round, so a round is twice the median age minus the beat,
    and minus the half beat that the timers of an idle loop take."""
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
