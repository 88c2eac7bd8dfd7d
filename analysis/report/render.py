"""The renderers of a table, for a terminal and as Markdown. For HTML: templates/table.html."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from textwrap import wrap

from rich.text import Text

from analysis.report.table import Cell, Row, Table, format_value

WIDTH = 80
"""Of a terminal, and of every text that may end up in one."""


def render_terminal(table: Table, width: int | None = None) -> list[str]:
    """Lines without a box. `width`: a name that leaves no room for its row within it has a line of
    its own; without one each row is one line, as a log and a pipe want it."""
    lines = [*wrap(table.title, WIDTH), *render_headings(table)]
    lines += [line for row in table.rows for line in render_row(table, row, width)]
    return lines + [line for note in table.notes for line in wrap_note(note)]


def wrap_note(note: str, indent: str = "") -> list[str]:
    return wrap(note, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")


def render_headings(table: Table) -> list[str]:
    """One line, or two where there are units."""
    widths = measure_widths(table)
    (name, *headings), (_, *units) = list_headings(table), [each.unit for each in table.columns]
    first = align_row(table, widths, Row(name if widths[0] else "", headings))
    if not widths[0]:  # the rows have no names: this one is said in the room of the first heading
        first = name + first[len(name) :]
    lines = [first, align_row(table, widths, Row("", units))] if any(units) else [first]
    return lines if any(each.heading for each in table.columns) else []


def list_headings(table: Table) -> list[str]:
    """What several columns in a row have in common is said once."""
    headings = [each.heading for each in table.columns]
    return [headings[0], *("" if one == other else other for one, other in pairwise(headings))]


def render_row(table: Table, row: Row, width: int | None = None) -> list[str]:
    widths = measure_widths(table)
    line = align_row(table, widths, row)
    if width is not None and row.cells and len(row.name) > widths[0] and len(line) > width:
        return [row.name, align_row(table, widths, Row("", row.cells))]
    return [line]


def measure_widths(table: Table) -> list[int]:
    """Of a table whose rows are shown one by one the columns say how wide they are."""
    named = [indent_name(row) for row in table.rows if row.cells]
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


def place_cells(row: Row) -> Iterator[tuple[int, Cell]]:
    """Each with the number of its first column."""
    place = 1
    for value in row.cells:
        cell = value if isinstance(value, Cell) else Cell(value)
        yield place, cell
        place += cell.span


def indent_name(row: Row) -> str:
    return f"  {row.name}" if row.extra else row.name


def align_row(table: Table, widths: Sequence[int], row: Row) -> str:
    parts = [align_text(indent_name(row), widths[0], is_text=table.columns[0].is_text)]
    for place, cell in place_cells(row):
        width = sum(widths[place : place + cell.span]) + cell.span - 1
        column = table.columns[place]
        parts.append(align_text(format_value(column, cell), width, is_text=column.is_text))
    return " ".join(parts if widths[0] or not row.cells else parts[1:]).rstrip()


def align_text(text: str, width: int, *, is_text: bool) -> str:
    found = Text(text)
    found.align("left" if is_text else "right", max(width, found.cell_len))
    return found.plain


def render_markdown(table: Table) -> str:
    """Fit for a pull request; each note is an item of a list."""
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


def escape_markdown(text: str) -> str:
    """Errors and names come from outside: nothing in them may become markup."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
