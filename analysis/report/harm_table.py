"""The matrix of an audit: seconds that the requests of each route lost to each culprit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from analysis.findings.base import Culprit, HarmMatrix
from analysis.report.table import WIDTH, Column, Row, Table, render_terminal
from analysis.stats import formats
from scenarios.units import Second

MOST_COLUMNS = 5
"""Routes with their own column in a terminal."""
SHOWN_S = 0.05
"""Shorter times are left blank."""
TITLE = "seconds lost to"


def format_culprit(culprit: Culprit) -> str:
    """Name place and phase: a place may hold threads in the endpoint and while it responds."""
    where = culprit.route or ("no request" if culprit.harm == "keeps threads" else "all routes")
    if culprit.file is None:
        return f"{where} ({culprit.phase})" if culprit.phase else where
    is_usual = culprit.phase in (None, "endpoint", "middleware")
    phase = "" if is_usual else f" ({culprit.phase})"
    return f"{culprit.file}:{culprit.line} {culprit.function}{phase}"


def list_shown_rows(matrix: HarmMatrix) -> Iterator[tuple[Culprit, Sequence[Second]]]:
    for culprit, seconds in zip(matrix.rows, matrix.seconds, strict=True):
        if max(seconds) >= SHOWN_S:
            yield culprit, seconds


def format_seconds(seconds: Second) -> str:
    return formats.decimal(seconds) if seconds >= SHOWN_S else ""


def render_matrix(matrix: HarmMatrix) -> list[str]:
    """Return lines of at most 80 columns, with letters for routes; none if no time was lost."""
    shown = list(list_shown_rows(matrix))
    if not shown:
        return []
    own = dict(zip(ascii_uppercase[:MOST_COLUMNS], matrix.routes, strict=False))
    headings = [*own, *(["other"] if len(matrix.routes) > len(own) else [])]
    columns = [Column(TITLE, is_text=True, width=30), *(Column(each, width=7) for each in headings)]
    rows = [
        Row(format_culprit(culprit), shorten_cells(seconds, len(headings)))
        for culprit, seconds in shown
    ]
    legend = [f"{letter}  {route}" for letter, route in own.items()]
    return [*render_terminal(Table(columns, rows), WIDTH), *legend]


def shorten_cells(seconds: Sequence[Second], room: int) -> list[str]:
    """Sum the cells that do not fit into the last one."""
    few = seconds if len(seconds) <= room else (*seconds[: room - 1], sum(seconds[room - 1 :]))
    return [format_seconds(each) for each in few]


@dataclass(frozen=True, slots=True)
class HarmCell:
    """shade: 1 in the cell that lost the most."""

    text: str
    shade: float


@dataclass(frozen=True, slots=True)
class HarmRow:
    """part: fraction of the seconds lost to the worst culprit by all routes."""

    place: str
    harm: str
    cells: tuple[HarmCell, ...]
    text: str
    part: float


def list_shaded_rows(matrix: HarmMatrix) -> list[HarmRow]:
    """List the culprits for a heat map, the worst first."""
    most_s = max((each for row in matrix.seconds for each in row), default=0.0) or 1.0
    worst_s = max(map(sum, matrix.seconds), default=0.0) or 1.0
    return [
        HarmRow(
            format_culprit(culprit),
            ", ".join(filter(None, (culprit.harm, culprit.route))),
            tuple(
                HarmCell(format_seconds(each), round((each / most_s) ** 0.5, 2)) for each in seconds
            ),
            format_seconds(sum(seconds)),
            round(sum(seconds) / worst_s, 3),
        )
        for culprit, seconds in list_shown_rows(matrix)
    ]
