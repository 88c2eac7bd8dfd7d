"""Each route in each round of a trial. The unit is the round, not the request."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import polars as pl

from analysis.findings.remedies import RouteLevel
from analysis.findings.unchecked_routes import FAILURE
from analysis.stats.quantiles import estimate_censored_quantiles
from records.trial import Side, TrialRound
from scenarios.units import Second

WARM_UP_S: Second = 1.0
"""From the first request of a round: all users begin at once, and threads and connections are
created."""
LEAST_REQUESTS = 5
"""Per route and round: the median of fewer depends on single requests."""


@dataclass(frozen=True, slots=True)
class RouteRound:
    """requests: that ended after the warm-up or never. failed: of them, including unanswered ones.
    p50_ms, p99_ms: None if too many were never answered."""

    side: Side
    requests: int
    failed: int
    rps: float
    p50_ms: float | None
    p99_ms: float | None

    @property
    def failed_share(self) -> float:
        return self.failed / self.requests


def list_route_rounds(
    rounds: Sequence[TrialRound], asked: Mapping[str, pl.DataFrame]
) -> Mapping[str, Sequence[RouteRound]]:
    """Map each route to its rounds, in order. Each method of a route counts as a route."""
    named = {each.cell: name_routes(asked[each.cell]) for each in rounds}
    found: dict[str, list[RouteRound]] = {}
    for each in rounds:
        for route, rows in split_routes(named[each.cell], each):
            found.setdefault(route, []).append(measure_round(rows, each))
    return found


def name_routes(asked: pl.DataFrame) -> pl.DataFrame:
    several = pl.col("method").n_unique().over("route") > 1
    with_method = pl.concat_str("method", "route", separator=" ")
    return asked.with_columns(route=pl.when(several).then(with_method).otherwise("route"))


def split_routes(asked: pl.DataFrame, of: TrialRound) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the requests that were in progress while all users were active: if the service hangs in
    the warm-up, no other begins."""
    is_late = (pl.col("ended_s") >= of.began_s + WARM_UP_S).fill_null(value=True)
    rows = asked.filter(is_late, pl.col("started_s") <= of.ended_s)
    for (route,), mine in rows.drop_nulls("route").group_by("route", maintain_order=True):
        yield str(route), mine


def measure_round(rows: pl.DataFrame, of: TrialRound) -> RouteRound:
    """Measure a round. A request that was never answered took longer than any that was."""
    known = rows["ended_s"].is_not_null()
    good = known & rows["error"].is_null() & (rows["status"] < FAILURE).fill_null(value=False)
    took_ms = 1000 * (rows["ended_s"] - rows["started_s"]).fill_null(float("inf")).to_numpy()
    p50_ms, p99_ms = estimate_censored_quantiles(took_ms, known.to_numpy(), (0.5, 0.99))
    within = rows.filter(pl.col("ended_s") <= of.ended_s).height
    rps = within / max(of.ended_s - of.began_s - WARM_UP_S, 1e-3)
    return RouteRound(of.side, rows.height, int((~good).sum()), rps, p50_ms, p99_ms)


def build_level(route: str, rounds: Sequence[RouteRound]) -> RouteLevel | None:
    """Compute the medians over rounds. Return None if any round has no median."""
    p50_ms = [each.p50_ms for each in rounds if each.p50_ms is not None]
    p99_ms = [each.p99_ms for each in rounds if each.p99_ms is not None]
    if not rounds or len(p50_ms) < len(rounds):
        return None
    slowest_ms = median(p99_ms) if len(p99_ms) == len(rounds) else None
    return RouteLevel(route, median(each.rps for each in rounds), median(p50_ms), slowest_ms)
