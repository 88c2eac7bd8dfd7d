"""Little's law: in a closed loop, users = throughput × (response time + think time).

It uses completed requests only. With the ages of unfinished requests it would always hold and
detect nothing: the missing users are those whose requests are unanswered.
"""

from dataclasses import dataclass

import polars as pl

from analysis.measures.window import MeasuredCell, count_distinct
from analysis.stats.quantiles import estimate_quantile

GAP_LIMIT = 0.05
"""A window of 30 s with responses of 13 s agreed within 1 % in repeated runs: the law is exact,
only the window's edges cause errors."""


@dataclass(frozen=True, kw_only=True)
class UserSummary:
    """Figures per user; None in an open loop, and without a window or users' names."""

    users_seen: float | None = None
    """Throughput × (response time + think time): by Little's law, the number of users."""
    users_unanswered: int | None = None
    """Users without a response in the window: starved, or a response takes longer than it."""
    users_longest_wait_median_ms: float | None = None
    """Half of the users waited at least this long for one of their responses."""


@dataclass(frozen=True, kw_only=True)
class LittlesLaw(UserSummary):
    """users_seen: the number of users that the completed requests account for (Little, Operations
    Research 9, 1961). It is inexact where the window is not much longer than a response, since it
    cuts requests at both edges. users_seen_exactly: the mean number of users in such a request or
    its pause over the window; it cuts nothing, but lacks requests unanswered at the drain's end."""

    users_started: int
    users_seen: float
    users_seen_exactly: float
    users_unanswered: int

    @property
    def gap(self) -> float:
        """The share of users not accounted for; negative if there are too many. It is the smaller
        of the two gaps: starvation shows in both, a window's edges and a long queue in one."""
        found = (self.users_seen, self.users_seen_exactly)
        return min((1 - seen / self.users_started for seen in found), key=abs)

    @property
    def holds(self) -> bool:
        return abs(self.gap) <= GAP_LIMIT


def compute_littles_law(cell: MeasuredCell) -> LittlesLaw | None:
    """Return None in an open loop, which has no users, and without a window or users' names."""
    requests, completions, window = cell.requests, cell.completions, cell.window
    load = cell.record.scenario.load
    if load.is_open or not load.tells_ids or not window.length_s:
        return None
    # a user's pause after a response counts, and so does the generator's lateness
    paused_s = (completions["started_s"] - completions["intended_s"]).clip(lower_bound=0.0)
    busy_s = (completions["ended_s"] - completions["started_s"]) + paused_s + load.think_s
    begin, end = pl.min_horizontal("intended_s", "started_s"), pl.col("ended_s") + load.think_s
    inside = pl.min_horizontal(end, window.end_s) - pl.max_horizontal(begin, window.start_s)
    answered = requests.filter(pl.col("ended_s").is_not_null())
    asking = requests.filter(pl.col("started_s") < window.end_s)
    return LittlesLaw(
        users_started=load.users,
        users_seen=float(busy_s.sum()) / window.length_s,
        users_seen_exactly=answered.select(inside.clip(0.0).sum()).item() / window.length_s,
        users_unanswered=count_distinct(asking, "process", "user")
        - count_distinct(completions, "process", "user"),
        users_longest_wait_median_ms=compute_longest_wait_ms(cell),
    )


def compute_longest_wait_ms(cell: MeasuredCell) -> float | None:
    """Compute the median over users of their longest wait.

    A quantile over requests counts frequently served users more often than starved ones. Here each
    user counts once, with the longest wait that ended in the window or was in flight at its end.
    """
    waits = (
        cell.requests.lazy()
        .filter(
            pl.col("started_s") < cell.window.end_s,
            (pl.col("ended_s") >= cell.window.start_s).fill_null(value=True),
        )
        .group_by("process", "user")
        .agg((pl.col("ended_s").fill_null(cell.end_s) - pl.col("started_s")).max())
    )
    longest_s = waits.collect(engine="streaming")["ended_s"].to_numpy()
    return estimate_quantile(1000 * longest_s, 0.5)
