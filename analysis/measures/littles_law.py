"""Little's law: in a closed loop, users = throughput × (response + think).

It is asked of completed requests only. With the ages of the unfinished in it, it would hold
always and detect nothing: the users that are missing are those whose requests are not answered.
"""

from dataclasses import dataclass

import polars as pl

from analysis.measures.window import CellRows, Window, count_distinct
from analysis.stats.quantiles import estimate_quantile
from scenarios.units import Second

GAP_LIMIT = 0.05
"""A window of 30 s with a response of 13 s was met within 1 % in repeated runs; the law itself has
no error, only the window's edges have."""


@dataclass(frozen=True, slots=True)
class LittlesLaw:
    """users_seen: as many users as the completed requests account for (Little, Operations
    Research 9, 1961). Throughput × response is off where the window is not long against a
    response, since it cuts some at either edge. users_seen_exactly is the mean number of users
    in such a request or its pause at any moment of the window: nothing is cut, but what nobody
    answered by the drain's end is missing from it. unanswered: users without an answer in the
    whole window."""

    users: int
    users_seen: float
    users_seen_exactly: float
    unanswered: int

    @property
    def gap(self) -> float:
        """The share of the users that is not accounted for; negative if too many are. By the
        kinder of the two: starvation shows in both, a window's edges and a long queue in one."""
        gaps = (1 - seen / self.users for seen in (self.users_seen, self.users_seen_exactly))
        return min(gaps, key=abs)

    @property
    def holds(self) -> bool:
        return abs(self.gap) <= GAP_LIMIT


def compute_littles_law(rows: CellRows) -> LittlesLaw | None:
    """None in an open loop, which has no users, without a window, and without users' names."""
    requests, completions, window = rows.requests, rows.completions, rows.window
    load = rows.record.scenario.load
    if load.is_open or not load.tells_ids or not window.length_s:
        return None
    think_s = load.think_s
    # what a user does between answer and next request counts, the generator's lateness too
    paused_s = (completions["started_s"] - completions["intended_s"]).clip(lower_bound=0.0)
    busy_s = (completions["ended_s"] - completions["started_s"]) + paused_s + think_s
    asking = requests.filter(pl.col("started_s") < window.end_s)
    answered = count_distinct(completions, "process", "user")
    return LittlesLaw(
        users=load.users,
        users_seen=float(busy_s.sum()) / window.length_s,
        users_seen_exactly=compute_user_seconds(requests, think_s, window) / window.length_s,
        unanswered=count_distinct(asking, "process", "user") - answered,
    )


def compute_user_seconds(requests: pl.DataFrame, think_s: Second, window: Window) -> Second:
    """User-seconds of the window that went into requests that were answered, pauses included."""
    begin = pl.min_horizontal("intended_s", "started_s")
    inside = pl.min_horizontal(pl.col("ended_s") + think_s, window.end_s) - pl.max_horizontal(
        begin, window.start_s
    )
    found = requests.filter(pl.col("ended_s").is_not_null()).select(inside.clip(0.0).sum())
    return float(found.item())


@dataclass(frozen=True, kw_only=True)
class UserSummary:
    users_seen: float | None
    """Throughput × (response + think): Little's law has as many users as there are."""
    users_unanswered: int | None
    """Users without an answer in the whole window: starved, or the window is shorter than a
    response."""
    users_longest_wait_median_ms: float | None
    """Half of the users waited at least so long for one of their answers."""


def summarize_users(rows: CellRows, law: LittlesLaw | None) -> UserSummary:
    return UserSummary(
        users_seen=law.users_seen if law else None,
        users_unanswered=law.unanswered if law else None,
        users_longest_wait_median_ms=compute_longest_wait_ms(rows),
    )


def compute_longest_wait_ms(rows: CellRows) -> float | None:
    """The median over the users.

    A quantile over requests counts a user who is served often more often than one who starves; here
    each user counts once, with the longest of its waits that ended in the window or was under way
    when it closed. None in an open loop, without a window, and where the load names no users.
    """
    load, window = rows.record.scenario.load, rows.window
    if load.is_open or not load.tells_ids or not window.length_s:
        return None
    waits = (
        rows.requests.lazy()
        .filter(
            pl.col("started_s") < window.end_s,
            (pl.col("ended_s") >= window.start_s).fill_null(value=True),
        )
        .group_by("process", "user")
        .agg((pl.col("ended_s").fill_null(rows.end_s) - pl.col("started_s")).max())
    )
    longest_s = waits.collect(engine="streaming")["ended_s"].to_numpy()
    return estimate_quantile(1000 * longest_s, 0.5)
