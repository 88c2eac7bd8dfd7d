"""Little's law: in a closed loop, users = throughput × (response + think).

It is asked of completed requests only. With the ages of the unfinished in it, it would hold
always and detect nothing: the users that are missing are those whose requests are not answered.
"""

from dataclasses import dataclass

import polars as pl

from analysis.measures.window import MeasuredCell, count_distinct
from analysis.stats.quantiles import estimate_quantile

GAP_LIMIT = 0.05
"""A window of 30 s with a response of 13 s was met within 1 % in repeated runs; the law itself has
no error, only the window's edges have."""


@dataclass(frozen=True, kw_only=True)
class UserSummary:
    """Where users are known: not in an open loop, nor without a window or users' names."""

    users_seen: float | None = None
    """Throughput × (response + think): Little's law has as many users as there are."""
    users_unanswered: int | None = None
    """Users without an answer in the whole window: starved, or the window is shorter than a
    response."""
    users_longest_wait_median_ms: float | None = None
    """Half of the users waited at least so long for one of their answers."""


@dataclass(frozen=True, kw_only=True)
class LittlesLaw(UserSummary):
    """users_seen: as many users as the completed requests account for (Little, Operations
    Research 9, 1961). Throughput × response is off where the window is not long against a
    response, since it cuts some at either edge. users_seen_exactly is the mean number of users
    in such a request or its pause at any moment of the window: nothing is cut, but what nobody
    answered by the drain's end is missing from it."""

    users_started: int
    users_seen: float
    users_seen_exactly: float
    users_unanswered: int

    @property
    def gap(self) -> float:
        """The share of the users that is not accounted for; negative if too many are. By the
        kinder of the two: starvation shows in both, a window's edges and a long queue in one."""
        found = (self.users_seen, self.users_seen_exactly)
        return min((1 - seen / self.users_started for seen in found), key=abs)

    @property
    def holds(self) -> bool:
        return abs(self.gap) <= GAP_LIMIT


def compute_littles_law(cell: MeasuredCell) -> LittlesLaw | None:
    """None in an open loop, which has no users, without a window, and without users' names."""
    requests, completions, window = cell.requests, cell.completions, cell.window
    load = cell.record.scenario.load
    if load.is_open or not load.tells_ids or not window.length_s:
        return None
    # what a user does between answer and next request counts, the generator's lateness too
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
    """The median over the users.

    A quantile over requests counts a user who is served often more often than one who starves; here
    each user counts once, with the longest of its waits that ended in the window or was under way
    when it closed.
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
