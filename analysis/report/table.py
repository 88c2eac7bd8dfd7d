"""A table as a value: rendered here for a terminal and as Markdown, and by templates/table.html as
HTML."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.text import Text

from analysis.metrics import Format, Metric, View
from analysis.stats import formats
from records.harmless import make_harmless

if TYPE_CHECKING:  # its dataframes take a second to import: `study list` must not wait for them
    from analysis.summary.predicates import Mark

WIDTH = 80
"""Width of a terminal and of every text that may be printed in one."""
NO_BREAK = "\N{NO-BREAK SPACE}"
BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|(?:µ|m)?s\b)")
Value = float | str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """A value with extras. `below`: smaller text on a second line; `span`: number of columns."""

    value: Value
    mark: "Mark | None" = None
    below: str = ""
    span: int = 1


@dataclass(frozen=True, slots=True)
class Column:
    """`unit` stands under the heading; `format` is for numbers and unknown values. `width`: minimum
    in characters, for a terminal that shows the rows one by one."""

    heading: str
    unit: str = ""
    format: Format = formats.whole
    is_text: bool = False
    """Text is aligned left."""
    width: int = 0
    key: str = ""
    """Key of the metric."""


@dataclass(frozen=True, slots=True)
class Row:
    """`name` is the row's heading. A row without cells is a heading for the rows that follow. An
    extra row belongs to the row before it."""

    name: str
    cells: Sequence[Cell | Value] = ()
    extra: bool = False
    key: str = ""
    badges: tuple[tuple[str, str], ...] = ()
    """Severity and code of each warning."""

    @property
    def text(self) -> str:
        return f"  {self.name}" if self.extra else self.name


@dataclass(frozen=True, slots=True)
class Table:
    """`columns[0]` holds the names. `notes` are sentences below the table."""

    columns: Sequence[Column]
    rows: Sequence[Row] = ()
    title: str = ""
    notes: Sequence[str] = ()


def build_column(metric: Metric, view: View, width: int = 0) -> Column:
    """Build a column with a one-line heading."""
    heading = " ".join(filter(None, metric.get_heading(view)))
    return Column(heading, "", metric.format, width=width, key=metric.key)


def format_value(column: Column, cell: Cell) -> str:
    return cell.value if isinstance(cell.value, str) else column.format(cell.value)


def list_headings(table: Table) -> list[str]:
    """Return the headings; a heading shared by adjacent columns appears once."""
    headings = [each.heading for each in table.columns]
    return [headings[0], *("" if one == other else other for one, other in pairwise(headings))]


def place_cells(row: Row) -> Iterator[tuple[int, Cell]]:
    """Yield each cell with the number of its first column."""
    place = 1
    for value in row.cells:
        cell = value if isinstance(value, Cell) else Cell(value)
        yield place, cell
        place += cell.span


def render_terminal(table: Table, width: int | None = None) -> list[str]:
    """Return lines without a box. `width`: a name too long for its row gets its own line; without a
    width each row is one line, for logs and pipes."""
    lines = [
        *wrap(make_harmless(table.title), WIDTH),
        *render_headings(table),
        *render_rows(table, width),
    ]
    return lines + [line for note in table.notes for line in wrap_note(note)]


def wrap_note(note: str, indent: str = "") -> list[str]:
    return wrap(
        make_harmless(note),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )


def wrap_whole(text: str, indent: str = "") -> list[str]:
    """Wrap as wrap_note does, without breaking routes, file names or a number from its unit."""
    lines = wrap(
        BEFORE_UNIT.sub(NO_BREAK, make_harmless(text)), WIDTH, initial_indent=indent,
        subsequent_indent=f"{indent}  ", break_on_hyphens=False,
    )  # fmt: skip
    return [each.replace(NO_BREAK, " ") for each in lines]


def hang_text(name: str, width: int, text: str) -> list[str]:
    """Put the text in a column to the right of a name, `width` characters from the left."""
    first, *others = wrap(make_harmless(text), WIDTH - width, break_on_hyphens=False) or [""]
    return [f"{name:<{width}}{first}".rstrip(), *(f"{'':<{width}}{line}" for line in others)]


def shorten(text: str, most: int = WIDTH) -> str:
    """Shorten the text in the middle to `most` characters."""
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[-end:]}"


def render_headings(table: Table) -> list[str]:
    """Return one line, or two if there are units."""
    widths = measure_widths(table)
    (name, *headings), (_, *units) = list_headings(table), [each.unit for each in table.columns]
    first = align_row(table, widths, Row(name if widths[0] else "", headings))
    if not widths[0]:  # the rows have no names: write the first heading over the second column
        first = name + first[len(name) :]
    lines = [first, align_row(table, widths, Row("", units))] if any(units) else [first]
    return lines if any(each.heading for each in table.columns) else []


def render_rows(table: Table, width: int | None = None) -> Iterator[str]:
    widths = measure_widths(table)
    for row in table.rows:
        line = align_row(table, widths, row)
        if width is not None and row.cells and len(row.name) > widths[0] and len(line) > width:
            yield make_harmless(row.name)
            line = align_row(table, widths, Row("", row.cells))
        yield line


def measure_widths(table: Table) -> list[int]:
    """Return the width of each column: at least its `width`, for tables shown row by row."""
    named = [row.text for row in table.rows if row.cells]
    name, *headings = list_headings(table)
    widths = [table.columns[0].width or max(map(len, [name if any(named) else "", *named]))]
    widths += [
        max(column.width, len(heading), len(column.unit))
        for column, heading in zip(table.columns[1:], headings, strict=True)
    ]
    for row in table.rows:
        for place, cell in place_cells(row):
            if cell.span == 1:
                text = format_value(table.columns[place], cell)
                widths[place] = max(widths[place], len(text))
    return widths


def align_row(table: Table, widths: Sequence[int], row: Row) -> str:
    parts = [align_text(table.columns[0], row.text, widths[0])]
    for place, cell in place_cells(row):
        column, width = table.columns[place], sum(widths[place : place + cell.span]) + cell.span - 1
        parts.append(align_text(column, format_value(column, cell), width))
    return " ".join(parts if widths[0] or not row.cells else parts[1:]).rstrip()


def align_text(column: Column, text: str, width: int) -> str:
    found = Text(make_harmless(text))
    found.align("left" if column.is_text else "right", max(width, found.cell_len))
    return found.plain


def render_markdown(table: Table) -> str:
    """Render for a pull request, with each note as a list item."""
    lines = [f"**{escape_markdown(table.title)}**", ""] if table.title else []
    lines.append(join_markdown([f"{each.heading} {each.unit}".strip() for each in table.columns]))
    lines.append(f"| {' | '.join('---' if each.is_text else '---:' for each in table.columns)} |")
    for row in table.rows:
        texts = [row.name]
        for place, cell in place_cells(row):
            texts += [format_value(table.columns[place], cell), *[""] * (cell.span - 1)]
        lines.append(join_markdown(texts))
    if table.notes:
        lines += ["", *(f"- {escape_markdown(note)}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def join_markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape_markdown(cell) for cell in cells) + " |"


def quote_code(text: str) -> str:
    """Return a text from outside as code in Markdown: its fence is longer than any in the text."""
    plain = " ".join(make_harmless(text).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    pad = " " if "`" in plain else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def escape_markdown(text: str) -> str:
    """Escape errors and names, which come from outside: none of their text may become markup."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, "\\" + character)
    return " ".join(make_harmless(text).split())
