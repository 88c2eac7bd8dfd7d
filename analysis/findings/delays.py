"""Delays of single requests from their own records: waits for a thread, and middleware."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl

from analysis.findings.blocks.loop_delays import CoveredTime
from analysis.findings.evidence import AuditEvidence, Stretch
from analysis.findings.layers.layer_gaps import measure_gaps
from analysis.findings.places import CodePlace
from analysis.findings.waits.handover_evidence import PLACE, locate_handovers
from analysis.findings.waits.pool_wait import PoolWait
from analysis.findings.waits.wait_sites import LEAST_S
from analysis.stats.quantiles import Values
from records.rows import TEXT, Schema

DelayKind = Literal["pool", "executor", "middleware"]
CODE: Schema = {"file": TEXT, "line": pl.Int64(), "function": TEXT}
DELAY_KEY = ("kind", *PLACE, "cause")
COLUMNS = ("row", *DELAY_KEY, "seconds")


def locate_delays(evidence: AuditEvidence, requests: pl.DataFrame) -> pl.DataFrame:
    """List the delays of the requests that are known by pid and visit. row: the request's. kind,
    and the place that waits. cause: the side of a middleware's delay. seconds: counted once, even
    if two waits of a request overlap or the event loop was blocked meanwhile."""
    rows = requests.with_row_index("row").select("row", "pid", "visit", "started_s", "until_s")
    waits = cut_waits(collect_waits(evidence).join(rows, on=["pid", "visit"]), evidence.stretches)
    kept = collect_kept(evidence).join(rows, on=["pid", "visit"])
    return pl.concat([waits.select(COLUMNS), kept.select(COLUMNS)])


def collect_waits(evidence: AuditEvidence) -> pl.DataFrame:
    """List calls of requests that queued for a token or a thread."""
    is_pool = pl.col("queue").str.contains(PoolWait.QUEUES)
    kind = pl.when(is_pool).then(pl.lit("pool")).otherwise(pl.lit("executor"))
    waits = locate_handovers(evidence).drop_nulls(["visit", "queue", "wait_from_s", "wait_until_s"])
    return waits.with_columns(kind=kind, cause=pl.lit(None, TEXT))


def cut_waits(waits: pl.DataFrame, stretches: Sequence[Stretch]) -> pl.DataFrame:
    """Cut each wait to its request and to the time after the request's earlier waits. seconds:
    without the time in which the event loop was blocked. Drop requests that wait for less than
    LEAST_S at a place."""
    earlier_s = pl.col("wait_until_s").cum_max().shift(1).over("row")
    waits = waits.with_columns(
        wait_from_s=pl.max_horizontal("wait_from_s", "started_s"),
        wait_until_s=pl.min_horizontal("wait_until_s", "until_s"),
    ).sort("row", "wait_from_s")
    waits = waits.with_columns(wait_from_s=pl.max_horizontal("wait_from_s", earlier_s))
    waits = waits.filter(pl.col("wait_until_s") > pl.col("wait_from_s"))
    waits = waits.with_columns(seconds=pl.Series(measure_unblocked(waits, stretches)))
    return waits.filter(pl.col("seconds").sum().over("row", *DELAY_KEY) >= LEAST_S)


def measure_unblocked(waits: pl.DataFrame, stretches: Sequence[Stretch]) -> Values:
    """Measure the seconds of each wait in which the event loop of its process was not blocked."""
    from_s, until_s = waits["wait_from_s"].to_numpy(), waits["wait_until_s"].to_numpy()
    pids = waits["pid"].to_numpy()
    blocked = CoveredTime((each.pid, each.began_s, each.ended_s) for each in stretches)
    free_s: Values = until_s - from_s - blocked.measure_overlap(pids, from_s, until_s)
    return np.maximum(free_s, 0.0)


def collect_kept(evidence: AuditEvidence) -> pl.DataFrame:
    """List the middleware's own delays, without waits for the loop or a thread. cause: the side."""
    delays = measure_gaps(evidence).filter("is_noted").with_columns(seconds="own_s")
    layers = delays["layer"].unique().to_list()
    found = [(layer, *CodePlace.parse(layer, evidence.record.folder)) for layer in layers]
    places = pl.DataFrame(found, schema={"layer": TEXT, **CODE}, orient="row")
    return delays.join(places, on="layer").with_columns(
        kind=pl.lit("middleware"), phase=pl.lit("middleware"), cause="side"
    )
