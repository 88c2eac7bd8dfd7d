"""The part of a wait for a token in which none was missing: a thread had ended its work, and the
event loop, which was blocked, did not pass the token on; or a thread of an executor did not come
to its next work, for which it needs no loop."""

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from analysis.findings.evidence import Stretch
from analysis.stats.quantiles import Values
from analysis.stats.step_function import StepFunction

QUEUE = ("pid", "queue")
EXECUTORS = "^(executor|asgiref)"
"""How the names of queues begin whose threads take their work themselves."""


def blame_loops(rows: pl.DataFrame, stretches: Sequence[Stretch]) -> pl.DataFrame:
    """token_s without that part. rows: with wait_from_s, wait_until_s, use_from_s, use_until_s."""
    parts = [blame_loop(each, stretches) for each in rows.partition_by(QUEUE, maintain_order=True)]
    blamed = pl.concat(parts) if parts else rows.select(*QUEUE, "handover", blamed_s=pl.lit(0.0))
    keys = [*QUEUE, "handover"]
    joined = rows.join(blamed, on=keys, how="left", nulls_equal=True, maintain_order="left")
    token_s = (pl.col("token_s") - pl.col("blamed_s").fill_null(0.0)).clip(lower_bound=0.0)
    return joined.with_columns(token_s=token_s).drop("blamed_s")


def blame_loop(rows: pl.DataFrame, stretches: Sequence[Stretch]) -> pl.DataFrame:
    """rows: of one queue of a process. blamed_s: of each that waited."""
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
    """Of one queue: the least that it had. 0 where it is not known: then no thread is idle."""
    known = rows["capacity"].drop_nulls().to_numpy()
    return float(known.min()) if len(known) else 0.0


def count_busy(rows: pl.DataFrame) -> StepFunction:
    """Tokens of a queue in use."""
    uses = rows.filter(pl.col("use_until_s").is_not_null())
    return StepFunction.count(uses["use_from_s"].to_numpy(), uses["use_until_s"].to_numpy())
