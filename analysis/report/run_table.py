"""The table of a run: a row of measured values for each cell, and below it rows for the prediction
and for the latencies with unanswered requests."""

from collections.abc import Iterator, Mapping, Sequence

from analysis.metrics import Format, Metric, View, get_value, list_metrics
from analysis.report.table import Cell, Column, Row, Table, render_headings, render_rows
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_starved_users, is_overloaded, mark_extremes
from records.prediction import Prediction

NAMES = Column("scenario", is_text=True, width=24)
"""Wide enough for most scenario names and their trial; the whole table fits 80 columns."""
ROOM: Mapping[Format, int] = {
    formats.rate: 8,
    formats.percent: 7,
    formats.whole: 5,
    formats.milliseconds: 7,
    formats.decimal: 6,
}
STARRED = "median_ms"
UNPREDICTED = ("failure_ratio", "unfinished")
"""The two columns after the throughput, which hold its predicted range."""
COUNTING_UNANSWERED = {
    "median_ms": ("median_censored_ms", "median_lower_bound_ms"),
    "p99_ms": ("p99_censored_ms", "p99_lower_bound_ms"),
}


def build_run_table(cells: Sequence[CellSummary] = (), *, with_unanswered: bool = True) -> Table:
    view: View = "table" if with_unanswered else "intervals"  # Markdown has room for whole words
    columns = [
        Column(*each.get_heading(view), width=ROOM.get(each.format, 8) + (each.key == STARRED))
        for each in list_metrics("table")
    ]
    rows = [row for cell in cells for row in build_cell_rows(cell, with_unanswered)]
    return Table((NAMES, *columns), rows)


def build_cell_rows(cell: CellSummary, with_unanswered: bool) -> Iterator[Row]:
    """Yield the measured row, then the prediction and the latencies with unanswered requests."""
    metrics = list_metrics("table")
    yield Row(format_cell_name(cell), [format_metric(cell, each) for each in metrics])
    if cell.predicted is not None and cell.predicted.ok_rps is not None:
        predicted: list[Cell | str] = [format_predicted(cell, each) for each in metrics]
        (place,) = (i for i, each in enumerate(metrics) if each.key == UNPREDICTED[0])
        predicted[place : place + 2] = [Cell(format_range(cell.predicted), span=2)]
        yield build_extra_row("predicted", predicted, cell.predicted.limited_by or "")
    if with_unanswered and has_starved_users(cell):
        counted = [format_with_unanswered(cell, each) for each in metrics]
        yield build_extra_row("with the unanswered", counted)


def format_range(found: Prediction) -> str:
    """Format the predicted range of successful responses per second."""
    if found.low is None or found.high is None:
        return ""
    return f"[{formats.compact(found.low)}-{formats.compact(found.high)}]"


def build_extra_row(name: str, texts: Sequence[Cell | str], remark: str = "") -> Row:
    """Put the remark into the empty columns at the right end of the row."""
    said = max((place for place, text in enumerate(texts, start=1) if text), default=0)
    room = len(texts) - said
    return Row(name, [*texts[:said], *([Cell(remark, span=room)] if room else [])], extra=True)


def render_run_headings() -> str:
    return "\n".join(render_headings(build_run_table()))


def render_cell(cell: CellSummary, width: int | None = None) -> str:
    """Render the rows of one cell, as soon as it has ended."""
    return "\n".join(render_rows(build_run_table([cell]), width))


def build_page_table(cells: Sequence[CellSummary]) -> Table:
    """Build the page's table: every metric of the page, with predictions inside the table cells."""
    metrics = list_metrics("page", "table")
    marks = {each.key: mark_extremes(cells, each) for each in metrics}
    columns = [Column(*each.get_heading("page"), key=each.key) for each in metrics]
    rows = []
    for place, cell in enumerate(cells):
        figures = [
            Cell(format_metric(cell, each), marks[each.key].get(place), format_below(cell, each))
            for each in metrics
        ]
        limit = (cell.predicted.limited_by if cell.predicted else None) or formats.UNKNOWN
        key = f"{cell.scenario}.{cell.trial}"
        badges = tuple((v.severity, v.code) for v in cell.verdicts if v.severity != "info")
        rows.append(Row(format_cell_name(cell), [*figures, limit], key=key, badges=badges))
    return Table((NAMES, *columns, Column("limit", "predicted", key="limited_by")), rows)


def format_cell_name(cell: CellSummary) -> str:
    return cell.scenario if cell.trial == 1 else f"{cell.scenario} #{cell.trial}"


def format_metric(cell: CellSummary, metric: Metric) -> str:
    """Format a value: in brackets if a latency only depends on the length of the test, and with a
    star if the median leaves out starved users."""
    value = get_value(cell, metric.key)
    bracketed = metric.is_latency and is_overloaded(cell)
    text = formats.bracket_milliseconds(value) if bracketed else metric.format(value)
    return f"{text}*" if metric.key == STARRED and has_starved_users(cell) else text


def format_predicted(cell: CellSummary, metric: Metric) -> str:
    if cell.predicted is None or not metric.predicted:
        return ""
    return metric.format(get_value(cell, metric.predicted))


def format_below(cell: CellSummary, metric: Metric) -> str:
    """Format the prediction for the table cell of the measured value."""
    found = format_predicted(cell, metric)
    span = format_range(cell.predicted) if cell.predicted and metric.key == "ok_rps" else ""
    return f"{found} {span}".rstrip()


def format_with_unanswered(cell: CellSummary, metric: Metric) -> str:
    if metric.key not in COUNTING_UNANSWERED:
        return ""
    value, bound = (get_value(cell, key) for key in COUNTING_UNANSWERED[metric.key])
    return formats.at_least(value, bound)
