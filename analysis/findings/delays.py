"""What delayed single requests by their own records: waits for a thread, and answers that a
middleware kept."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import polars as pl

from analysis.findings.evidence import AuditEvidence, Stretch
from analysis.stats.quantiles import Values

DelayKind = Literal["pool", "executor", "answer"]
POOLS = ("anyio", "limiter")
"""How the names of the queues begin that POOL_WAIT is about; the others are executors."""
KEPT_S = 0.001
"""An answer that a layer keeps for less is not delayed."""


def locate_delays(evidence: AuditEvidence, requests: pl.DataFrame) -> pl.DataFrame:
    """The delays of requests that are known by pid and visit, within started_s and until_s. row: of
    the request. kind: pool, executor, answer. seconds: none of them are counted twice, neither as
    two delays of one request nor while the event loop was blocked."""
    known = pl.concat([collect_waits(evidence.handovers), collect_kept_answers(evidence.layers)])
    rows = requests.with_row_index("row").select("row", "pid", "visit", "started_s", "until_s")
    earlier = pl.col("ended_s").cum_max().shift(1).over("row")
    pieces = (
        known.join(rows, on=["pid", "visit"])
        .with_columns(
            began_s=pl.max_horizontal("began_s", "started_s"),
            ended_s=pl.min_horizontal(pl.col("ended_s").fill_null(float("inf")), "until_s"),
        )
        .filter(pl.col("ended_s") > pl.col("began_s"))
        .sort("row", "began_s")
        .with_columns(began_s=pl.max_horizontal("began_s", earlier))
        .filter(pl.col("ended_s") > pl.col("began_s"))
    )
    free_s = measure_unblocked(pieces, evidence.stretches)
    return pieces.select("row", "kind", "layer").with_columns(seconds=pl.Series(free_s))


def collect_waits(handovers: pl.DataFrame) -> pl.DataFrame:
    """From the moment that a call had to queue for a thread. ended_s: null while it waits."""
    last = handovers.unique(["pid", "handover"], keep="last", maintain_order=True)
    is_pool = pl.any_horizontal(pl.col("queue").str.starts_with(name) for name in POOLS)
    return last.drop_nulls(["visit", "queue", "queued_s"]).select(
        "pid",
        "visit",
        kind=pl.when(is_pool).then(pl.lit("pool")).otherwise(pl.lit("executor")),
        layer=pl.lit(None, pl.String),
        began_s="queued_s",
        ended_s=pl.coalesce("granted_s", "began_s", "ended_s"),
    )


def collect_kept_answers(layers: pl.DataFrame) -> pl.DataFrame:
    """From the start of the answer within a layer until the layer handed it on."""
    kept = layers.drop_nulls(["visit", "answered_s", "passed_s"])
    delayed = kept.filter(pl.col("passed_s") - pl.col("answered_s") >= KEPT_S)
    return delayed.with_columns(kind=pl.lit("answer")).select(
        "pid", "visit", "kind", "layer", began_s="answered_s", ended_s="passed_s"
    )


def measure_unblocked(pieces: pl.DataFrame, stretches: Sequence[Stretch]) -> Values:
    """Seconds of each piece in which the event loop of its process was not blocked."""
    pids = pieces["pid"].to_numpy()
    began_s, ended_s = pieces["began_s"].to_numpy(), pieces["ended_s"].to_numpy()
    free_s: Values = ended_s - began_s
    for pid, (edges_s, blocked_s) in sum_blocked(stretches).items():
        mine = pids == pid
        until_s, from_s = (np.interp(each[mine], edges_s, blocked_s) for each in (ended_s, began_s))
        free_s[mine] -= until_s - from_s
    return np.maximum(free_s, 0.0)


def sum_blocked(stretches: Sequence[Stretch]) -> Mapping[int, tuple[Values, Values]]:
    """By process: the edges of its stretches, and how long it was blocked until each of them."""
    found: dict[int, tuple[Values, Values]] = {}
    for pid in {each.pid for each in stretches}:
        mine = sorted((each.began_s, each.ended_s) for each in stretches if each.pid == pid)
        ended_s = np.maximum.accumulate([until_s for _, until_s in mine])
        began_s = np.array([from_s for from_s, _ in mine])
        began_s[1:] = np.maximum(began_s[1:], ended_s[:-1])
        ended_s = np.maximum(ended_s, began_s)
        lengths_s = np.stack([np.zeros(len(mine)), ended_s - began_s], axis=1).ravel()
        found[pid] = np.stack([began_s, ended_s], axis=1).ravel(), np.cumsum(lengths_s)
    return found
