"""How the users of a closed loop fared: each counts once, however often it was served."""

from dataclasses import dataclass

import polars as pl

from analysis.measures.littles_law import LittlesLaw
from analysis.measures.window import CellRows
from analysis.stats.quantiles import estimate_quantile


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
