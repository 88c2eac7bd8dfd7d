"""How long requests took: from which moment, up to which, and by whose clock."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from records.cell import CellRecord
from scenarios.units import Second

Milliseconds = npt.NDArray[np.float64]
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
