"""What the verdicts on a cell rest on."""

from dataclasses import dataclass

import polars as pl

from analysis.measures.backlog import Backlog, compute_backlog
from analysis.measures.instruments import Instruments, measure_instruments
from analysis.measures.littles_law import LittlesLaw, compute_littles_law
from analysis.measures.request_accounting import RequestAccounting
from analysis.measures.steadiness import Steadiness, assess_steadiness
from analysis.measures.window import CellRows
from records.cell import CellRecord
from records.prediction import Prediction
from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class Evidence:
    record: CellRecord
    completed: int
    unfinished: int
    oldest_unfinished_s: Second | None
    slowest_completed_s: Second | None
    littles_law: LittlesLaw | None
    """None in an open loop, which has no users."""
    counts: RequestAccounting
    instruments: Instruments
    steadiness: Steadiness
    backlog: Backlog | None
    """None in a closed loop."""
    prediction: Prediction | None
    """None where the run was not predicted."""

    @property
    def is_overloaded(self) -> bool:
        return self.backlog is not None and self.backlog.is_overloaded


def gather_evidence(
    rows: CellRows, counts: RequestAccounting, prediction: Prediction | None
) -> Evidence:
    completions = rows.completions
    unfinished = rows.requests.filter(pl.col("ended_s").is_null())
    oldest_s = unfinished["started_s"].min()
    slowest_s = (completions["ended_s"] - completions["started_s"]).max()
    return Evidence(
        record=rows.record,
        completed=completions.height,
        unfinished=unfinished.height,
        oldest_unfinished_s=rows.end_s - oldest_s if isinstance(oldest_s, float) else None,
        slowest_completed_s=slowest_s if isinstance(slowest_s, float) else None,
        littles_law=compute_littles_law(rows),
        counts=counts,
        instruments=measure_instruments(rows),
        steadiness=assess_steadiness(rows),
        backlog=compute_backlog(rows) if rows.record.scenario.load.is_open else None,
        prediction=prediction,
    )
