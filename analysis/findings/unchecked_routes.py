"""Routes of which an audit without a finding proves nothing, because most of their requests failed:
a rate limit or a login answered them instead of the endpoint."""

import polars as pl

from analysis.findings.base import UncheckedRoute
from analysis.findings.evidence import AuditEvidence, compute_once

FAILURE = 400
"""The lowest status that counts as a failure."""
LEAST_SHARE = 0.5
"""A route of which a smaller share of the requests succeeded is not checked."""
REDIRECTED = pl.col("status").is_between(300, FAILURE - 1)
SUCCEEDED = (
    pl.col("error").is_null()
    & (pl.col("status") < FAILURE).fill_null(value=False)
    & ~(REDIRECTED & pl.col("endpoint").is_null()).fill_null(value=False)
)
"""A redirect without an endpoint comes from a middleware or the router."""
IS_FOREIGN = (
    pl.col("status").is_in((404, 405)).fill_null(value=False) & pl.col("endpoint").is_null()
)
"""The app does not have this path or method."""
FAILED_BY = (
    pl.when(pl.col("status") >= FAILURE)
    .then(pl.col("status").cast(pl.String))
    .when(REDIRECTED)
    .then(pl.format("redirect {}", "status"))
    .otherwise(pl.lit("no complete response"))
)


@compute_once
def list_unchecked_routes(evidence: AuditEvidence) -> tuple[UncheckedRoute, ...]:
    """List them, the one with the most failures first. The user's own load may fail on purpose: if
    most of it succeeded, one success checks a route."""
    rows = list_responses(evidence)
    is_planned = any(each.routes for each in evidence.record.phases)
    if not is_planned:
        own = rows.filter(~IS_FOREIGN)
        rows = own if own.height else rows
    is_strict = is_planned or rows["succeeded"].sum() < LEAST_SHARE * rows.height
    routes = rows.group_by("method", "route", maintain_order=True).agg(
        requests=pl.len(),
        failed=pl.len() - pl.col("succeeded").sum(),
        by=FAILED_BY.filter(~pl.col("succeeded")).mode().min(),
    )
    least = LEAST_SHARE * pl.col("requests") if is_strict else 1
    unchecked = routes.filter(pl.col("requests") - pl.col("failed") < least)
    worst_first = unchecked.sort("failed", descending=True, maintain_order=True)
    return tuple(UncheckedRoute(**each) for each in worst_first.iter_rows(named=True))


def list_responses(evidence: AuditEvidence) -> pl.DataFrame:
    """List the clients' requests; those of the app for the user's own traffic."""
    handlers = evidence.handlers.with_columns(error=pl.lit(None, pl.String))
    known = handlers.select("request_id", "endpoint").drop_nulls().unique("request_id")
    asked = evidence.asked.join(known, on="request_id", how="left", maintain_order="left")
    rows = asked if asked.height else handlers
    return rows.drop_nulls("route").with_columns(succeeded=SUCCEEDED)
