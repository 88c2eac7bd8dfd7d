"""The event loop CPU of each BaseHTTPMiddleware layer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar, Self

import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings, Severity
from analysis.findings.cures.layer_cures import cure_middleware_cost
from analysis.findings.evidence import AuditEvidence
from analysis.findings.layers.layer_evidence import BASE, count_visits, join_inner_layers
from analysis.findings.places import CodePlace
from analysis.findings.remedies import Cure
from analysis.stats import formats
from scenarios.units import Second

LEAST_CPU_S: Second = 50e-6
"""A layer with less CPU is cheap."""
LONGEST_WAIT_S: Second = 0.01
"""If a layer waits for longer, other work of the process is counted as its own."""
FEWEST = 10
"""Requests that were alone in their process."""
GRAVE_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class MiddlewareCost(AuditFinding):
    """median_ms, longest_ms, seconds: CPU of the event loop's thread in the `count` requests that
    were alone in their process; that of the others cannot be measured. route: None if the layer
    serves several.

    severity: `warning` if all layers of the kind together take a quarter of the CPU of these
    requests, otherwise `info`.
    """

    short: ClassVar[str] = "middleware uses CPU"
    clause: ClassVar[str] = "a middleware uses a lot of CPU"
    meaning: ClassVar[str] = "`BaseHTTPMiddleware` layers use much of the CPU"
    remedy: ClassVar[str] = "rewrite them as pure ASGI middleware"
    requests: int = field(default=0)
    """All requests that passed the layer."""
    layers_share: float = field(default=0.0)
    """The share of all layers of the kind in the CPU of the measured requests."""

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        measured = measure_layers(evidence)
        share = measure_layers_share(measured, evidence)
        routes = count_visits(evidence)
        found = []
        for (layer, depth), rows in measured.group_by("layer", "depth", maintain_order=True):
            if rows.height >= FEWEST and median(rows["cpu_s"]) >= LEAST_CPU_S:
                visits = routes.filter(pl.col("layer") == layer, pl.col("depth") == depth)
                place = CodePlace.parse(str(layer), evidence.record.folder)
                found.append(cls.build(place, rows["cpu_s"], visits, share))
        return AuditFindings(findings=tuple(found))

    @classmethod
    def build(cls, place: CodePlace, cpu_s: pl.Series, visits: pl.DataFrame, share: float) -> Self:
        severity: Severity = "warning" if share >= GRAVE_SHARE else "info"
        return cls(
            severity=severity,
            confidence="high",
            route=visits["route"].item() if visits.height == 1 else None,
            phase="middleware",
            **place._asdict(),
            call=BASE,
            cause="compute",
            count=len(cpu_s),
            seconds=sum(cpu_s),
            median_ms=1000 * median(cpu_s),
            longest_ms=1000 * max(cpu_s),
            requests=int(visits["visits"].sum()),
            layers_share=share,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        return cure_middleware_cost(self, evidence)

    @property
    def facts(self) -> str:
        return (
            f"The middleware {self.function} ({BASE}) takes {1000 * (self.median_ms or 0.0):,.0f} "
            "µs of CPU on the event loop per request, its own code included (median of "
            f"{self.count:,} requests that ran alone)."
        )

    @property
    def context(self) -> Mapping[str, str]:
        share = formats.percent(self.layers_share)
        said = f"All layers of this kind together use {share} of the CPU of these requests."
        return {share: said}

    @property
    def advice(self) -> Mapping[str, str]:
        return {
            **self.context,
            "pure": "A pure ASGI middleware starts no task and no stream per request: rewrite it "
            "as one, unless its own code takes the time.",
        }


def measure_layers(evidence: AuditEvidence) -> pl.DataFrame:
    """Select rows of BaseHTTPMiddleware whose CPU is known to be their own."""
    rows = join_inner_layers(evidence).filter(pl.col("kind") == BASE)
    passed_s = [
        pl.col("inner_s") - pl.col("entered_s"),
        pl.col("body_s") - pl.col("inner_body_s"),
        pl.col("returned_s") - pl.col("inner_returned_s"),
    ]
    waited_s = pl.sum_horizontal(passed_s, ignore_nulls=False) - pl.col("cpu_s")
    return rows.filter(waited_s <= LONGEST_WAIT_S)


def measure_layers_share(measured: pl.DataFrame, evidence: AuditEvidence) -> float:
    """Measure the layers' share of the app's CPU for these requests, on the loop and in threads."""
    keys = ["pid", "visit"]
    visits = measured.select(keys).unique()
    tables = evidence.layers, evidence.handovers
    used_s = sum(
        float(rows.join(visits, on=keys, how="semi")["cpu_s"].fill_nan(None).sum())
        for rows in tables
    )
    return float(measured["cpu_s"].sum()) / used_s if used_s > 0 else 0.0
