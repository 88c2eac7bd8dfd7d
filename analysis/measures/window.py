"""The rows behind a figure: a cell's tables, its window, and its unanswered requests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from analysis.stats.steady_state import choose_warm_up_cut
from records.cell import CellRecord
from records.cpu_profile import Level, Stacks
from scenarios.units import Second

Milliseconds = npt.NDArray[np.float64]
TIMES = ("intended_s", "started_s", "ended_s")
"""When a request was due, when it left, and when its response was complete."""
ROWS = (*TIMES, "process", "user", "status", "error")


class CellTables(Protocol):
    """The source of rows: `records.rundir.CellDir`, or tables in memory. The caller names the
    columns, so that memory holds only a few columns of ten million rows."""

    def load_table(self, name: str, columns: Sequence[str]) -> pl.DataFrame: ...

    def has_table(self, name: str) -> bool:
        """Return False for a table that is newer than the run."""

    def load_stacks(self, level: Level) -> Stacks: ...


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds since t0; a completion belongs to the window in which it ended.

    cut_s: the part that the warm-up took. settles_late: the warm-up exceeded the most that may be
    cut.
    """

    start_s: Second
    end_s: Second
    cut_s: Second = 0.0
    settles_late: bool = False

    @property
    def length_s(self) -> Second:
        return self.end_s - self.start_s

    def widen(self, by_s: Second) -> "Window":
        """Widen it on both sides; an empty window stays empty."""
        return (
            replace(self, start_s=self.start_s - by_s, end_s=self.end_s + by_s)
            if self.length_s
            else self
        )

    def contains(self, column: str) -> pl.Expr:
        return pl.col(column).is_between(self.start_s, self.end_s, closed="left")


@dataclass(frozen=True)
class MeasuredCell:
    """A cell's record, tables and window. end_s: the last recorded moment. Requests are loaded on
    first use and then kept."""

    record: CellRecord
    tables: CellTables
    window: Window
    end_s: Second

    @cached_property
    def requests(self) -> pl.DataFrame:
        return self.tables.load_table("requests", ROWS)

    @cached_property
    def completions(self) -> pl.DataFrame:
        """The requests that ended in the window."""
        return self.requests.filter(self.window.contains("ended_s"))


def get_planned_window(record: CellRecord) -> Window:
    """Return the window as the runner opened and closed it."""
    start_s, end_s = record.phases.window_start_s, record.phases.window_end_s
    return Window(0.0, 0.0) if start_s is None or end_s is None else Window(start_s, end_s)


def open_cell(record: CellRecord, tables: CellTables) -> MeasuredCell:
    return MeasuredCell(
        record, tables, find_window(record, tables), find_last_moment(record, tables)
    )


def compute_latencies_ms(record: CellRecord, completions: pl.DataFrame) -> Milliseconds:
    """Count from the send; in an open loop from when the request was due, to include the wait of a
    request that could not leave."""
    begin = "intended_s" if record.scenario.load.is_open else "started_s"
    return 1000 * (completions["ended_s"] - completions[begin]).to_numpy()


def sort_by_end(
    record: CellRecord, ended: pl.DataFrame
) -> tuple[npt.NDArray[np.float64], Milliseconds]:
    """Return the time of each response, in s, and its latency."""
    moments = ended["ended_s"].to_numpy()
    order = np.argsort(moments, kind="stable")
    return moments[order], compute_latencies_ms(record, ended)[order]


def find_window(record: CellRecord, tables: CellTables) -> Window:
    """Return the runner's window, without a warm-up that had not ended (by MSER-5 over the
    responses since the ramp). Empty where the cell was cut short before its window.

    Never cut a failure or a worker's death: those are results. Where workers are killed in cycles,
    the cycles are the steady state.
    """
    planned = get_planned_window(record)
    if not planned.length_s or record.cycles_planned is not None or record.interrupted:
        return planned
    since = Window(record.phases.ramp_end_s or 0.0, planned.end_s)
    requests = tables.load_table("requests", (*TIMES, "error"))
    ended = requests.filter(since.contains("ended_s"))
    moments, responses_ms = sort_by_end(record, ended)
    before = int(np.count_nonzero(moments < planned.start_s))
    cut = choose_warm_up_cut(responses_ms, before)
    if cut.length == before:
        return replace(planned, settles_late=cut.too_late)
    start_s = float(moments[cut.length])
    lost = Window(planned.start_s, start_s)
    failed = ended.filter(lost.contains("ended_s"), pl.col("error").is_not_null())
    if failed.height or any(lost.start_s <= death.at_s < start_s for death in record.deaths):
        return planned
    return Window(start_s, planned.end_s, cut_s=start_s - planned.start_s)


def find_last_moment(record: CellRecord, cell: CellTables) -> Second:
    """Return the drain's end; for a cell cut short, the last recorded moment."""
    if record.phases.drain_end_s is not None:
        return record.phases.drain_end_s
    requests = cell.load_table("requests", ("started_s", "ended_s"))
    moments = (
        requests["ended_s"].max(),
        requests["started_s"].max(),
        cell.load_table("probe", ("at_s",))["at_s"].max(),
    )
    return max((float(each) for each in moments if isinstance(each, float)), default=0.0)


def count_distinct(rows: pl.DataFrame, *columns: str) -> int:
    """Count the distinct combinations of these columns."""
    # streaming takes a tenth of the time of n_unique() for a few hundred values in 10 million rows
    return rows.lazy().select(columns).unique().collect(engine="streaming").height
