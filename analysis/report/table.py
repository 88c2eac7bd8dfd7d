"""A table as a value: built once, rendered for a terminal, as Markdown and as HTML by
`analysis.report.render`."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.metrics import Format, Metric, View
from analysis.stats import formats
from analysis.summary.ranking import Mark

Value = float | str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """A value where more than the value is to be said. `below`: smaller, in a line of its own;
    `span`: over so many columns."""

    value: Value
    mark: Mark | None = None
    below: str = ""
    span: int = 1


@dataclass(frozen=True, slots=True)
class Column:
    """`unit` stands under the heading; `format` is for numbers, and for what is not known. `width`:
    at least so many characters in a terminal, for rows that are shown one by one."""

    heading: str
    unit: str = ""
    format: Format = formats.whole
    is_text: bool = False
    """Then it begins at the left."""
    width: int = 0
    key: str = ""
    """Of the metric."""


@dataclass(frozen=True, slots=True)
class Row:
    """`name` is the row's heading. One without cells is a heading for those that follow. An extra
    row belongs to the one before it."""

    name: str
    cells: Sequence[Cell | Value] = ()
    extra: bool = False
    key: str = ""
    badges: tuple[tuple[str, str], ...] = ()
    """Severity and code of what is to be minded."""


@dataclass(frozen=True, slots=True)
class Table:
    """`columns[0]` is that of the names. `notes` are sentences below it."""

    columns: Sequence[Column]
    rows: Sequence[Row] = ()
    title: str = ""
    notes: Sequence[str] = ()


def build_column(metric: Metric, view: View, width: int = 0) -> Column:
    """Its heading is one line."""
    heading = " ".join(filter(None, metric.get_heading(view)))
    return Column(heading, "", metric.format, width=width, key=metric.key)


def format_value(column: Column, value: Cell | Value) -> str:
    if isinstance(value, Cell):
        value = value.value
    return value if isinstance(value, str) else column.format(value)
