"""From the send to when the app saw the request: what it waited in backlog and loop."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.measures.latency import Milliseconds
from analysis.measures.window import MeasuredCell
from analysis.stats.quantiles import estimate_quantile
from records.cell import CellRecord

CLOCKS_AGREE_MS = 1.0


@dataclass(frozen=True, kw_only=True)
class ArrivalDelay:
    arrival_delay_median_ms: float | None
    """None where two clocks are not known well enough."""
    arrival_delay_p99_ms: float | None
    clock_uncertainty_ms: float | None
    """Of load processes on other machines."""


def measure_arrival_delay(cell: MeasuredCell) -> ArrivalDelay:
    arrivals = cell.tables.load_table("handlers", ("request_id", "arrived_s"))
    delays_ms = compute_arrival_delays_ms(
        cell.record,
        cell.tables.load_table("requests", ("request_id", "started_s")),
        arrivals.filter(cell.window.contains("arrived_s")),
    )
    return ArrivalDelay(
        arrival_delay_median_ms=estimate_quantile(delays_ms, 0.5),
        arrival_delay_p99_ms=estimate_quantile(delays_ms, 0.99),
        clock_uncertainty_ms=find_clock_uncertainty_ms(cell.record),
    )


def find_clock_uncertainty_ms(record: CellRecord) -> float | None:
    """Of the load process whose clock is known worst; None where all share this host's clock."""
    return max((1000 * clock.uncertainty_s for clock in record.clocks), default=None)


def compute_arrival_delays_ms(
    record: CellRecord, requests: pl.DataFrame, arrived: pl.DataFrame
) -> Milliseconds:
    """`arrived` are handler rows. It joins two machines' clocks if the load came from elsewhere:
    then it is known only where they agree to a millisecond. (A latency has both its ends on one
    clock.)"""
    uncertainty_ms = find_clock_uncertainty_ms(record)
    if uncertainty_ms is not None and uncertainty_ms > CLOCKS_AGREE_MS:
        return np.array([])
    both = (
        requests.lazy()
        .select("request_id", "started_s")
        .join(arrived.lazy().select("request_id", "arrived_s"), on="request_id")
    )
    delays = both.select(pl.col("arrived_s") - pl.col("started_s"))
    # in no order, and without ever holding both sides together
    return 1000 * delays.collect(engine="streaming").to_series().to_numpy()
