"""How long requests took: from which moment, up to which, and by whose clock."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from analysis.stats.quantiles import estimate_quantile
from analysis.stats.survival import estimate_censored_quantiles
from records.cell import CellRecord
from scenarios.units import Second

Milliseconds = npt.NDArray[np.float64]
CLOCKS_AGREE_MS = 1.0
TIMES = ("intended_s", "started_s", "ended_s")
"""Of a request: when it was due, when it left, when its answer was there."""


def compute_latencies_ms(record: CellRecord, completions: pl.DataFrame) -> Milliseconds:
    """From the send; in an open loop from when it was due, or the wait of a request that could
    not leave would be nobody's."""
    begin = "intended_s" if record.scenario.load.is_open else "started_s"
    return 1000 * (completions["ended_s"] - completions[begin]).to_numpy()


def sort_by_end(
    record: CellRecord, ended: pl.DataFrame
) -> tuple[npt.NDArray[np.float64], Milliseconds]:
    """When each was answered, in s, and how long it took."""
    moments = ended["ended_s"].to_numpy()
    order = np.argsort(moments, kind="stable")
    return moments[order], compute_latencies_ms(record, ended)[order]


@dataclass(frozen=True, slots=True)
class CensoredDurations:
    """Durations of requests; where `known` is false, nobody saw the end, and it is a bound."""

    durations_ms: Milliseconds
    known: npt.NDArray[np.bool_]


def collect_censored_durations(
    record: CellRecord,
    requests: pl.DataFrame,
    completions: pl.DataFrame,
    window_end_s: Second,
    end_s: Second,
) -> CensoredDurations:
    """The window's completions, and what was under way when it closed: known if it was answered
    in the drain, else at least the age at `end_s`, the drain's end."""
    under_way = requests.filter(
        pl.col("started_s") < window_end_s,
        pl.col("ended_s").is_null() | (pl.col("ended_s") >= window_end_s),
    )
    both = pl.concat([completions.select(TIMES), under_way.select(TIMES)])
    bounded = both.with_columns(pl.col("ended_s").fill_null(end_s))
    return CensoredDurations(
        compute_latencies_ms(record, bounded), both["ended_s"].is_not_null().to_numpy()
    )


@dataclass(frozen=True, slots=True)
class CensoredLatencies:
    """Under the names of CellSummary: quantiles that count those who were never answered."""

    median_lower_bound_ms: float | None
    p99_lower_bound_ms: float | None
    median_censored_ms: float | None
    p99_censored_ms: float | None


def estimate_censored_latencies(told: CensoredDurations) -> CensoredLatencies:
    median_ms, p99_ms = estimate_censored_quantiles(told.durations_ms, told.known, (0.5, 0.99))
    lower_ms, lower_p99_ms = (estimate_quantile(told.durations_ms, q) for q in (0.5, 0.99))
    return CensoredLatencies(lower_ms, lower_p99_ms, median_ms, p99_ms)


def compute_longest_wait_ms(
    record: CellRecord, requests: pl.DataFrame, start_s: Second, closes_s: Second, end_s: Second
) -> float | None:
    """Half of the users waited at least so long for one of their answers.

    A quantile over requests counts whoever is served often more often than whoever starves; here
    each user counts once, with the longest of its waits that ended in the window or was under way
    when it closed. None in an open loop, without a window, and where the load tells no users.
    """
    load = record.scenario.load
    if load.is_open or not load.tells_ids or closes_s <= start_s:
        return None
    waits = (
        requests.lazy()
        .filter(
            pl.col("started_s") < closes_s,
            (pl.col("ended_s") >= start_s).fill_null(value=True),
        )
        .group_by("process", "user")
        .agg((pl.col("ended_s").fill_null(end_s) - pl.col("started_s")).max())
    )
    longest_s = waits.collect(engine="streaming")["ended_s"].to_numpy()
    return estimate_quantile(1000 * longest_s, 0.5)


def find_clock_uncertainty_ms(record: CellRecord) -> float | None:
    """Of the load process whose clock is known worst; None where all share this host's clock."""
    return max((1000 * clock.uncertainty_s for clock in record.clocks), default=None)


def compute_arrival_delays_ms(
    record: CellRecord, requests: pl.DataFrame, arrived: pl.DataFrame
) -> Milliseconds:
    """From the send to when the app saw the request: what it waited in backlog and loop.

    `arrived` are handler rows. It joins two machines' clocks if the load came from elsewhere:
    then it is told only where they are known to a millisecond. (A latency has both its ends on
    one clock.)
    """
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
