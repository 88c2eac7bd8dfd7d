"""The part of a wait for a token in which a token was free: a thread had finished its work, but the
blocked event loop did not pass the token on; or an executor's thread was late to take its next
work, for which it needs no loop."""

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from analysis.findings.evidence import Stretch
from analysis.stats.quantiles import Values
from analysis.stats.step_function import StepFunction

QUEUE = ("pid", "queue")
EXECUTORS = "^(executor|asgiref)"
"""Matches the names of queues whose threads take their work themselves."""


def blame_loops(rows: pl.DataFrame, stretches: Sequence[Stretch]) -> pl.DataFrame:
    """Subtract that part from token_s. rows: with wait_from_s, wait_until_s, use_..."""
    parts = [blame_loop(each, stretches) for each in rows.partition_by(QUEUE, maintain_order=True)]
    blamed = pl.concat(parts) if parts else rows.select(*QUEUE, "handover", blamed_s=pl.lit(0.0))
    keys = [*QUEUE, "handover"]
    joined = rows.join(blamed, on=keys, how="left", nulls_equal=True, maintain_order="left")
    token_s = (pl.col("token_s") - pl.col("blamed_s").fill_null(0.0)).clip(lower_bound=0.0)
    return joined.with_columns(token_s=token_s).drop("blamed_s")


def blame_loop(rows: pl.DataFrame, stretches: Sequence[Stretch]) -> pl.DataFrame:
    """Measure blamed_s of each wait. rows: of one queue of a process."""
    waits = rows.filter(pl.col("wait_until_s").is_not_null())
    pid, queue = rows.select(QUEUE).row(0)
    begin, end = (waits[name].to_numpy() for name in ("wait_from_s", "wait_until_s"))
    blocked = StepFunction.count(
        np.array([each.began_s for each in stretches if each.pid == pid]),
        np.array([each.ended_s for each in stretches if each.pid == pid]),
    )
    if re.match(EXECUTORS, queue or ""):
        blocked = StepFunction.count(begin, end)
    busy, capacity = count_busy(rows), find_capacity(waits)

    def is_idle(blocked: Values, busy: Values) -> Values:
        return np.logical_and(blocked > 0, busy < capacity).astype(float)

    idle = blocked.combine(busy, is_idle)
    return waits.select(*QUEUE, "handover", blamed_s=pl.Series(idle.integrate(begin, end)))


def find_capacity(rows: pl.DataFrame) -> float:
    """Return a queue's smallest capacity; 0 if unknown: then no thread counts as idle."""
    known = rows["capacity"].drop_nulls().to_numpy()
    return float(known.min()) if len(known) else 0.0


def count_busy(rows: pl.DataFrame) -> StepFunction:
    """Count the tokens of a queue in use."""
    uses = rows.filter(pl.col("use_until_s").is_not_null())
    return StepFunction.count(uses["use_from_s"].to_numpy(), uses["use_until_s"].to_numpy())
