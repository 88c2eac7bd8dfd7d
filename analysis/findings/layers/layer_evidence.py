"""The effect of each middleware layer on each request."""

import polars as pl

from analysis.findings.evidence import AuditEvidence, compute_once

BASE, MIDDLEWARE = "BaseHTTPMiddleware", ("BaseHTTPMiddleware", "ASGI")
"""Kinds of layers; all other kinds are inside the middleware."""


@compute_once
def join_inner_layers(evidence: AuditEvidence) -> pl.DataFrame:
    """Join each row with the next inner layer (inner_...), null if it was not called."""
    rows = evidence.layers.drop_nulls(["visit", "depth"]).sort("pid", "visit", "depth")
    return rows.with_columns(
        pl.col(name).shift(-1).over("pid", "visit").alias(f"inner_{name}")
        for name in ("start_wait_s", "body_s", "sent_s", "returned_s")
    )


def count_visits(evidence: AuditEvidence) -> pl.DataFrame:
    """Count the requests that entered each layer, by route."""
    rows = evidence.layers.drop_nulls("layer")
    return rows.group_by("layer", "depth", "route").agg(visits=pl.len())
