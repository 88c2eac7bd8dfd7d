"""The places whose requests wait for a token of a queue, and the code that holds the tokens."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.findings.base import TokenHolder
from analysis.findings.blocks.causes import SWITCH_S
from analysis.findings.evidence import AuditEvidence, compute_once
from analysis.findings.waits.blamed_loops import EXECUTORS, QUEUE, count_busy, find_capacity
from analysis.findings.waits.handover_evidence import (
    PLACE,
    WORK_PLACE,
    locate_handovers,
    locate_thread_stacks,
)
from analysis.stats.quantiles import Values
from analysis.stats.step_function import StepFunction, is_positive
from scenarios.units import Second

LEAST_S = SWITCH_S
"""A shorter wait at a place is ignored: the interpreter lets a thread run for this long, so work in
free threads is as late."""
KEPT_S = 0.001
"""Code that held tokens for less in total is no holder."""
LINE = ("file", "line", "function")
SITE = ("queue", *PLACE)
REQUEST = ("pid", "visit", "lone")
"""lone: the number of an offloaded call without a known request, which counts by itself."""


@dataclass(frozen=True, slots=True)
class WaitSite:
    """waits_s: for a token, by request; overlapping waits of a request count once. loop_s: the
    median of what the loop or the thread took in addition. waited_s: while any request waited,
    summed over processes; kept_s: token-seconds in use meanwhile. is_after: most of it after the
    response."""

    queue: str
    route: str | None
    phase: str | None
    file: str | None
    line: int | None
    function: str | None
    call: str | None
    asker: str | None
    capacity: float | None
    waits_s: Values
    loop_s: Second
    waited_s: Second
    kept_s: Second
    is_after: bool
    holders: tuple[TokenHolder, ...]

    @property
    def in_use(self) -> float:
        """Tokens in use while requests wait."""
        return self.kept_s / self.waited_s if self.waited_s else 0.0

    @property
    def known_share(self) -> float:
        """The share of the tokens known to be in use meanwhile."""
        return self.in_use / self.capacity if self.capacity else 0.0


def find_wait_sites(evidence: AuditEvidence, queues: str) -> Iterator[WaitSite]:
    """queues: a regular expression that matches the queues' names."""
    of_queues = pl.col("queue").str.contains(queues)
    rows = locate_handovers(evidence).filter(of_queues)
    waits = sum_by_request(rows).filter(pl.col("request_s") >= LEAST_S)
    if waits.is_empty():
        return
    uses = UsesOfQueues(locate_uses(evidence).filter(of_queues), rows)
    for site in waits.partition_by("site", maintain_order=True):
        yield build_site(site, uses)


def build_site(waits: pl.DataFrame, uses: "UsesOfQueues") -> WaitSite:
    first = waits.row(0, named=True)
    late_s = waits["counted_s"].to_numpy() * waits["is_after"].to_numpy()
    waiting: Waiting = {
        key: uses.count_lack(key, each)
        for key, each in waits.partition_by(*QUEUE, as_dict=True).items()
    }
    kept_s, holders = uses.list_holders(waiting)
    return WaitSite(
        **{name: first[name] for name in ("queue", *PLACE, "call", "asker")},
        capacity=read_capacity(waits),
        waits_s=waits.unique(REQUEST, maintain_order=True)["request_s"].to_numpy(),
        loop_s=float(np.median(waits["loop_s"].to_numpy())),
        waited_s=sum(each.measure_all() for each in waiting.values()),
        kept_s=kept_s,
        is_after=bool(late_s.sum() > 0.5 * waits["counted_s"].to_numpy().sum()),
        holders=holders,
    )


def read_capacity(waits: pl.DataFrame) -> float | None:
    """Return the last known capacity."""
    known = waits["capacity"].drop_nulls()
    return float(known[-1]) if len(known) and np.isfinite(known[-1]) else None


def sum_by_request(rows: pl.DataFrame) -> pl.DataFrame:
    """Select the calls that waited. site: the number of their place. request_s: of all waits of the
    request at its place; overlapping waits count once."""
    lone = pl.when(pl.col("visit").is_null()).then("handover")
    waits = rows.filter(pl.col("token_s") > 0).with_columns(lone=lone)
    sites = waits.select(SITE).unique(maintain_order=True).with_row_index("site")
    waits = waits.join(sites, on=SITE, nulls_equal=True).sort("site", *REQUEST, "wait_from_s")
    waits = waits.with_columns(request=pl.struct("site", *REQUEST).rle_id().set_sorted())
    seen_s = pl.col("wait_until_s").cum_max().shift(1).over("request")
    new_s = pl.col("wait_until_s") - pl.max_horizontal("wait_from_s", seen_s)
    length_s = pl.col("wait_until_s") - pl.col("wait_from_s")
    counted_s = pl.col("token_s") * (new_s.clip(lower_bound=0.0) / length_s)
    waits = waits.with_columns(counted_s=counted_s)
    return waits.with_columns(request_s=pl.col("counted_s").sum().over("request"))


@compute_once
def locate_uses(evidence: AuditEvidence) -> pl.DataFrame:
    """Return the uses of tokens, at the line where their threads were sampled most often."""
    uses = locate_handovers(evidence).filter(pl.col("use_until_s").is_not_null())
    seen = locate_thread_stacks(evidence).select("pid", "handover", *LINE)
    usual = (
        uses.select("pid", "handover", *WORK_PLACE)
        .join(seen, on=["pid", "handover"])
        .group_by(*WORK_PLACE, *LINE)
        .len()
        .sort("len", *LINE, descending=[True, False, False, False])
        .unique(WORK_PLACE, keep="first", maintain_order=True)
        .drop("len")
    )
    uses = uses.select(*QUEUE, "visit", "handover", "use_from_s", "use_until_s", *WORK_PLACE)
    uses = uses.join(usual, on=WORK_PLACE, how="left", nulls_equal=True, maintain_order="left")
    is_seen = pl.col("file").is_not_null()
    lines = (pl.when(is_seen).then(name).otherwise(f"work_{name}").alias(name) for name in LINE)
    return uses.with_columns(*lines)


Waiting = Mapping[tuple[object, ...], StepFunction]
"""By process and queue."""


class UsesOfQueues:
    """The uses of tokens by queue and holder."""

    def __init__(self, uses: pl.DataFrame, rows: pl.DataFrame) -> None:
        self._busy = {
            key: (count_busy(each), find_capacity(each))
            for key, each in rows.partition_by(*QUEUE, as_dict=True).items()
        }
        self._holders = uses.select(PLACE).unique(maintain_order=True).with_row_index("holder")
        joined = uses.join(self._holders, on=PLACE, nulls_equal=True, maintain_order="left")
        self._uses = joined.partition_by(*QUEUE, as_dict=True)

    def count_lack(self, key: tuple[object, ...], waits: pl.DataFrame) -> StepFunction:
        """Return 1 while any of them waits and no thread of an executor is idle."""
        begin, end = (waits[name].to_numpy() for name in ("wait_from_s", "wait_until_s"))
        waiting = StepFunction.count(begin, end)
        if not re.match(EXECUTORS, str(key[1])):
            return waiting.map(is_positive)
        busy, capacity = self._busy[key]

        def is_lacking(waiting: Values, busy: Values) -> Values:
            return np.logical_and(waiting > 0, busy >= capacity).astype(float)

        return waiting.combine(busy, is_lacking)

    def list_holders(self, waiting: Waiting) -> tuple[Second, tuple[TokenHolder, ...]]:
        """Return the token-seconds known to be in use meanwhile, and the holders, worst first."""
        total_s, kept_s = 0.0, np.zeros(self._holders.height)
        for key, each in waiting.items():
            holder, seconds = self._measure(key, each)
            total_s += float(seconds.sum())
            kept_s += np.bincount(holder, seconds, len(kept_s))
        holders = self._holders.with_columns(seconds=pl.Series(kept_s)).drop("holder")
        worst = holders.filter(pl.col("seconds") >= KEPT_S).sort("seconds", descending=True)
        return total_s, tuple(TokenHolder(**row) for row in worst.iter_rows(named=True))

    def _measure(
        self, key: tuple[object, ...], waiting: StepFunction
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Values]:
        """Return the holder of each use, and its seconds while requests waited."""
        uses = self._uses.get(key)
        if uses is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        begin, end = (uses[name].to_numpy() for name in ("use_from_s", "use_until_s"))
        return uses["holder"].to_numpy().astype(np.int64), waiting.integrate(begin, end)
