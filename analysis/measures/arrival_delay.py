"""From the send to when the app saw the request: what it waited in backlog and loop."""

from dataclasses import dataclass

import polars as pl

from analysis.measures.window import MeasuredCell, Milliseconds
from analysis.stats.quantiles import Numbers, estimate_quantile

CLOCKS_AGREE_MS = 1.0


@dataclass(frozen=True, kw_only=True)
class ArrivalDelay:
    arrival_delay_median_ms: float | None
    """None where two clocks are not known well enough."""
    arrival_delay_p99_ms: float | None
    clock_uncertainty_ms: float | None
    """Of load processes on other machines."""


def measure_arrival_delay(cell: MeasuredCell) -> ArrivalDelay:
    """It joins two machines' clocks if the load came from elsewhere: then it is known only where
    the worst of them agrees with ours to a millisecond. (A latency has both its ends on one clock.)
    """
    uncertainty_ms = max((1000 * clock.uncertainty_s for clock in cell.record.clocks), default=None)
    known = uncertainty_ms is None or uncertainty_ms <= CLOCKS_AGREE_MS
    delays_ms: Numbers = compute_arrival_delays_ms(cell) if known else ()
    return ArrivalDelay(
        arrival_delay_median_ms=estimate_quantile(delays_ms, 0.5),
        arrival_delay_p99_ms=estimate_quantile(delays_ms, 0.99),
        clock_uncertainty_ms=uncertainty_ms,
    )


def compute_arrival_delays_ms(cell: MeasuredCell) -> Milliseconds:
    """In no order."""
    requests = cell.tables.load_table("requests", ("request_id", "started_s")).lazy()
    arrivals = cell.tables.load_table("handlers", ("request_id", "arrived_s")).lazy()
    both = requests.join(arrivals.filter(cell.window.contains("arrived_s")), on="request_id")
    delays = both.select(pl.col("arrived_s") - pl.col("started_s"))
    # without ever holding both sides together
    return 1000 * delays.collect(engine="streaming").to_series().to_numpy()
