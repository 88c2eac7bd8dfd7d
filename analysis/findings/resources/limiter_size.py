"""An unusual size of anyio's thread pool, or a pool that exceeds its size."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import ClassVar

import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings
from analysis.findings.cures.pool_cures import propose_pool
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure

DEFAULT, FEWEST, MOST = 40, 4, 1_000
"""anyio's default, and the usual range: with fewer than 4 threads a few slow requests stop all
`def` code, and more than 1,000 are no limit."""
LEAST_SAMPLES = 3
"""Consecutive samples: the two numbers of a sample are not read at the same moment."""


@dataclass(frozen=True, kw_only=True)
class LimiterSize(AuditFinding):
    """cause: "small", "large", or "exceeded"."""

    short: ClassVar[str] = "pool size"
    clause: ClassVar[str] = "a pool has an unusual size"
    meaning: ClassVar[str] = "anyio's pool has an unusual size, or more tokens in use than it has"
    remedy: ClassVar[str] = "choose a size that fits what the threads call"
    tokens: float | None
    """None if there is no limit."""
    borrowed: float
    """The maximum number of threads at once."""

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        known = evidence.samples.drop_nulls(["pool_total", "pool_borrowed"]).drop_nans("pool_total")
        processes = known.sort("pid", "at_s").partition_by("pid", maintain_order=True)
        found: dict[str, LimiterSize] = {}
        for rows in processes:  # report each cause once, for the worst process
            for each in cls.judge(rows):
                other = found.get(each.cause or "")
                if other is None or other.borrowed < each.borrowed:
                    found[each.cause or ""] = each
        return AuditFindings(findings=tuple(found.values()))

    @classmethod
    def judge(cls, rows: pl.DataFrame) -> "Iterator[LimiterSize]":
        """rows: samples of one process, in order."""
        usual = max(Counter(rows["pool_total"].to_list()).items(), key=lambda each: each[1])[0]
        most = max(rows["pool_borrowed"].to_list())
        if usual < FEWEST or usual > MOST:
            cause = "small" if usual < FEWEST else "large"
            yield cls.build(cause, usual, most)
        exceeded = rows.with_columns(
            run=(pl.col("pool_borrowed") > pl.col("pool_total")).rle_id(),
            over=pl.col("pool_borrowed") - pl.col("pool_total"),
        ).filter(pl.col("over") > 0)
        runs = exceeded.filter(pl.len().over("run") >= LEAST_SAMPLES).sort("over")
        if runs.height:
            yield cls.build("exceeded", runs["pool_total"][-1], runs["pool_borrowed"][-1])

    @classmethod
    def build(cls, cause: str, tokens: float, borrowed: float) -> "LimiterSize":
        return cls(
            severity="info",
            confidence="high",
            cause=cause,
            call="anyio.CapacityLimiter",
            tokens=None if tokens == inf else tokens,
            borrowed=borrowed,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        if self.cause == "exceeded":
            return "The audit does not know which code changes the size while tokens are in use."
        return propose_pool(evidence, DEFAULT, f"{DEFAULT} is anyio's default.")

    @property
    def facts(self) -> str:
        size = "no token limit" if self.tokens is None else f"{self.tokens:,.0f} tokens"
        size = size.removesuffix("s") if self.tokens == 1 else size
        if self.cause == "exceeded":
            return (
                f"anyio's pool has {size}, but {self.borrowed:,.0f} were in use at once. Set "
                "total_tokens once, at startup, before requests arrive."
            )
        if self.cause == "small":
            return (
                f"anyio's pool has {size} (the default is {DEFAULT}). While all are in use, other "
                "`def` endpoints, `def` dependencies and file accesses wait. Raise total_tokens "
                "unless this is intended."
            )
        return (
            f"anyio's pool has {size} (the default is {DEFAULT}). The audit saw at most "
            f"{self.borrowed:,.0f} in use at once. Set total_tokens to what the database and "
            "the memory allow."
        )
