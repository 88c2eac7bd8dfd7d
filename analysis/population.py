"""Which rows a figure is made of: the tables of a cell, its window, and who never came back."""

from dataclasses import dataclass

import polars as pl

from records.cell import CellRecord
from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class Tables:
    requests: pl.DataFrame
    handlers: pl.DataFrame
    probe: pl.DataFrame
    machine: pl.DataFrame
    bystander: pl.DataFrame
    upstream: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds since t0; a completion belongs to the window in which it ended."""

    start_s: Second
    end_s: Second

    @property
    def length_s(self) -> Second:
        return self.end_s - self.start_s

    def holds(self, column: str) -> pl.Expr:
        return pl.col(column).is_between(self.start_s, self.end_s, closed="left")


def window_of(record: CellRecord) -> Window:
    """Empty where the cell was cut short before its window."""
    phases = record.phases
    if phases.window_start_s is None or phases.window_end_s is None:
        return Window(0.0, 0.0)
    return Window(phases.window_start_s, phases.window_end_s)


def last_moment(record: CellRecord, tables: Tables) -> Second:
    """The end of the drain; of a cell cut short, the last thing that was written down."""
    if record.phases.drain_end_s is not None:
        return record.phases.drain_end_s
    moments = (
        tables.requests["ended_s"].max(),
        tables.requests["started_s"].max(),
        tables.probe["at_s"].max(),
    )
    return max((float(each) for each in moments if isinstance(each, float)), default=0.0)


def unfinished(requests: pl.DataFrame) -> pl.DataFrame:
    return requests.filter(pl.col("ended_s").is_null())
