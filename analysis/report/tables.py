"""The table of a run: which figures, in which order, and the notes below it."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from analysis.measures.ramp import RampGrowth
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.predicates import (
    has_affected_bystander,
    has_blocked_loop,
    has_grown_cpu,
    has_starved_users,
)


@dataclass(frozen=True, slots=True)
class TableColumn:
    heading: str
    unit: str
    width: int
    text: Callable[[CellSummary], str]


def format_median(cell: CellSummary) -> str:
    """With a star where starved requests are missing from it: see the line below the row."""
    return format_latency(cell, cell.median_ms) + ("*" if has_starved_users(cell) else "")


def format_latency(cell: CellSummary, value_ms: float | None) -> str:
    """In brackets where it only says how long the test was."""
    if cell.open_loop is not None and cell.open_loop.overloaded:
        return formats.bracketed(value_ms)
    return formats.milliseconds(value_ms)


COLUMNS: tuple[TableColumn, ...] = (
    TableColumn("ok", "rps", 8, lambda cell: formats.rate(cell.ok_rps)),
    TableColumn("failed", "", 7, lambda cell: formats.percent(cell.failure_ratio)),
    TableColumn("open", "", 5, lambda cell: formats.whole(cell.unfinished)),
    TableColumn("median", "ms", 8, format_median),
    TableColumn("p99", "ms", 7, lambda cell: format_latency(cell, cell.p99_ms)),
    TableColumn("threads", "live", 7, lambda cell: formats.whole(cell.threads_spawned)),
    TableColumn("", "active", 6, lambda cell: formats.decimal(cell.threads_active_mean)),
)
NAME_WIDTH = 25
"""The widest scenario name and its trial; the whole table fits 80 columns."""


def render_headings() -> tuple[str, str]:
    first = "".join(f" {column.heading:>{column.width}}" for column in COLUMNS)
    second = "".join(f" {column.unit:>{column.width}}" for column in COLUMNS)
    return f"{'scenario':<{NAME_WIDTH}}{first}".rstrip(), f"{'':<{NAME_WIDTH}}{second}".rstrip()


def format_cell_name(cell: CellSummary) -> str:
    return cell.scenario if cell.trial == 1 else f"{cell.scenario} #{cell.trial}"


def render_row(cell: CellSummary) -> str:
    """The measured figures; on lines of their own what belongs beside: theory, the unanswered."""
    figures = "".join(f" {column.text(cell):>{column.width}}" for column in COLUMNS)
    name = format_cell_name(cell)
    fits = len(name) <= NAME_WIDTH
    lines = [f"{name:<{NAME_WIDTH}}{figures}"] if fits else [name, " " * NAME_WIDTH + figures]
    if (theory := cell.predicted) is not None:
        lines.append(
            render_extra_row(
                "predicted",
                formats.rate(theory.ok_rps),
                formats.milliseconds(theory.median_ms),
                formats.milliseconds(theory.p99_ms),
                f"{theory.limited_by or ''}",
            )
        )
    if has_starved_users(cell):
        median = formats.at_least(cell.median_censored_ms, cell.median_lower_bound_ms)
        p99 = formats.at_least(cell.p99_censored_ms, cell.p99_lower_bound_ms)
        lines.append(render_extra_row("with the unanswered", "", median, p99, ""))
    return "\n".join(lines)


def render_extra_row(what: str, ok: str, median: str, p99: str, remark: str) -> str:
    """A line in the columns of the table; the remark stands where the threads do."""
    return f"{'  ' + what:<{NAME_WIDTH}} {ok:>8}{'':14} {median:>8} {p99:>7} {remark:>14}".rstrip()


def write_notes(cell: CellSummary) -> list[str]:
    """Verdicts, what each cycle of a killed worker brought, who held the loop."""
    found = [f"{verdict.code}: {verdict.message}" for verdict in cell.verdicts]
    if cell.cycles:
        ok = ", ".join(str(cycle.ok) for cycle in cell.cycles)
        failed = ", ".join(str(cycle.failures) for cycle in cell.cycles)
        lengths = ", ".join(f"{cycle.end_s - cycle.start_s:.1f}" for cycle in cell.cycles)
        found.append(f"per cycle of {lengths} s: {ok} good answers, {failed} failures")
    if has_starved_users(cell):
        median = formats.at_least(cell.median_censored_ms, cell.median_lower_bound_ms)
        found.append(f"* with the unanswered counted (Kaplan–Meier) the median is {median} ms")
        if cell.users_longest_wait_median_ms is not None:
            longest = formats.milliseconds(cell.users_longest_wait_median_ms)
            found.append(f"half of the users waited {longest} ms or more for an answer")
    if cell.warm_up_cut_s:
        cut = formats.decimal(cell.warm_up_cut_s)
        found.append(f"the window's first {cut} s were still warm-up (MSER-5) and are left out")
    if (grown := cell.growth) is not None:
        found.append(write_ramp_note(grown))
    if (loop := cell.open_loop) is not None and loop.overloaded:
        found.append("percentiles in brackets are no property of the service: see OVERLOADED")
        if loop.formula_median_ms is not None:
            found.append(
                "first come, first served: what is answered t after the begin waited "
                "t (1 - served / offered), a median of "
                f"{formats.milliseconds(loop.formula_median_ms)} ms by that formula, "
                f"{formats.milliseconds(cell.median_ms)} ms as measured"
            )
    if has_blocked_loop(cell):
        lag = formats.milliseconds(cell.loop_lag_max_ms)
        found.append(f"the loop was held by {cell.blocked_by} (silent for up to {lag} ms)")
    if has_affected_bystander(cell):
        bystander = cell.bystander
        waited = formats.milliseconds(bystander.median_ms)
        if bystander.median_is_lower_bound:
            waited = f"at least {waited}"
        found.append(
            f"a bystander's {bystander.path} took {waited} ms (median), "
            f"{bystander.failures} of {bystander.pings} got no answer"
            f"{write_bystander_prediction(cell)}"
        )
    if dearer := write_cpu_note(cell):
        found.append(dearer)
    found += [f"{each.count} × {each.error}" for each in cell.errors[:3]]
    return found


def write_bystander_prediction(cell: CellSummary) -> str:
    if cell.predicted is None or cell.predicted.bystander_ms is None:
        return ""
    return f"; predicted: {formats.milliseconds(cell.predicted.bystander_ms)} ms"


def write_ramp_note(grown: RampGrowth) -> str:
    alone = f"one user alone got {formats.rate(grown.levels[0][1])} rps"
    if grown.saturated_from is None:
        return f"in the ramp {alone}, and more users always got more"
    return f"in the ramp {alone}; from {grown.saturated_from} users on it grew no more"


def write_cpu_note(cell: CellSummary) -> str | None:
    if cell.predicted is None or not has_grown_cpu(cell):
        return None
    return (
        f"under load a request took {formats.milliseconds(cell.cpu_ms_per_request)} ms of CPU, "
        f"alone {formats.milliseconds(cell.predicted.cpu_ms)}: theory knew only the latter"
    )


def render_markdown(cells: Sequence[CellSummary], command: str, over_trials: str = "") -> str:
    """summary.md: fit for a pull request. `over_trials` is Markdown, and stands below the cells."""
    headings = ["scenario", *(f"{c.heading} {c.unit}".strip() for c in COLUMNS)]
    headings[-2:] = ["threads live", "threads active"]
    lines = [f"`{command}`", "", join_markdown_cells(headings)]
    lines.append(join_markdown_cells(["---", *("---:" for _ in COLUMNS)]))
    lines += [line for cell in cells for line in render_markdown_rows(cell)]
    if over_trials:
        lines += ["", over_trials.rstrip("\n")]
    for cell in cells:
        if told := write_notes(cell):
            lines += ["", f"**{escape_markdown(format_cell_name(cell))}**", ""]
            lines += [f"- {escape_markdown(note)}" for note in told]
            lines += [f"- {verdict.code}: {verdict.advice}" for verdict in cell.verdicts]
    return "\n".join(lines) + "\n"


def render_markdown_rows(cell: CellSummary) -> list[str]:
    rows = [
        join_markdown_cells([format_cell_name(cell), *(column.text(cell) for column in COLUMNS)])
    ]
    if (theory := cell.predicted) is not None:
        latencies = (theory.median_ms, theory.p99_ms)
        told = [formats.rate(theory.ok_rps), "", "", *map(formats.milliseconds, latencies)]
        rows.append(join_markdown_cells(["predicted", *told, theory.limited_by or "", ""]))
    return rows


def join_markdown_cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape_markdown(cell) for cell in cells) + " |"


def escape_markdown(text: str) -> str:
    """Errors and names come from outside: nothing in them may become markup."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())


def flatten_cell(cell: CellSummary) -> dict[str, object]:
    """One level of keys: `bystander_median_ms` and so on; lists are left out but for the codes
    of the verdicts."""
    row: dict[str, object] = {}
    for key, value in asdict(cell).items():
        if isinstance(value, dict):
            row |= {f"{key}_{inner}": each for inner, each in value.items()}
        elif key == "verdicts":
            row["verdicts"] = " ".join(verdict.code for verdict in cell.verdicts)
        elif not isinstance(value, list | tuple):
            row[key] = value
    return row


def render_csv(cells: Sequence[CellSummary]) -> str:
    """summary.csv: a line a cell, empty where unknown."""
    rows = [flatten_cell(cell) for cell in cells]
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def export_cell(cell: CellSummary) -> dict[str, object]:
    """A cell of summary.json: its figures, and the verdicts with their words."""
    return asdict(cell)
