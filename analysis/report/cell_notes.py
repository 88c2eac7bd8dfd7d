"""The notes below a run's table in a terminal: observations of each cell, then each verdict once
with the cells that it concerns. summary.md and report.html have all notes of all cells."""

from collections import Counter
from collections.abc import Iterator, Sequence

from analysis.report.cpu_notes import NO_CAUSE
from analysis.report.notes import write_notes
from analysis.report.run_table import format_cell_name
from analysis.report.table import wrap_whole
from analysis.summary.model import CellSummary
from analysis.verdicts.base import Severity, VerdictRecord

MOST_MESSAGES = 2
"""For more cells than this, one message is shown as the example."""
MOST_NAMES = 3
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
Finding = tuple[CellSummary, VerdictRecord]


def render_notes(cells: Sequence[CellSummary]) -> Iterator[str]:
    """Yield lines, with a blank line before each block."""
    for cell in select_first_trials(cells):
        if notes := list_observations(cell):
            yield from ("", describe_cell(cell, cells))
            for note in notes:
                yield from wrap_whole(note, "  ")
    for found in group_verdicts(cells):
        yield ""
        yield from render_verdict(found, len(cells))


def select_first_trials(cells: Sequence[CellSummary]) -> list[CellSummary]:
    """Return each scenario's first trial: notes of further trials differ only in digits."""
    return list({each.scenario: each for each in reversed(cells)}.values())[::-1]


def describe_cell(cell: CellSummary, cells: Sequence[CellSummary]) -> str:
    trials = sum(each.scenario == cell.scenario for each in cells)
    return f"{cell.scenario} (trial {cell.trial} of {trials})" if trials > 1 else cell.scenario


def list_observations(cell: CellSummary) -> list[str]:
    """Return the cell's notes without its verdicts."""
    codes = tuple(f"{each.code}: " for each in cell.verdicts)
    notes = (note for note in write_notes(cell) if not note.startswith(codes))
    return [note.removesuffix(NO_CAUSE) for note in notes]


def group_verdicts(cells: Sequence[CellSummary]) -> list[list[Finding]]:
    """Group the verdicts by code, the most severe first."""
    groups: dict[str, list[Finding]] = {}
    for cell in cells:
        for each in cell.verdicts:
            groups.setdefault(each.code, []).append((cell, each))
    return sorted(groups.values(), key=lambda found: SEVERITIES.index(found[0][1].severity))


def render_verdict(found: Sequence[Finding], count: int) -> Iterator[str]:
    """Yield lines; only the messages shown bring their advice. `count`: number of all cells."""
    names = [format_cell_name(cell) for cell, _ in found]
    where, verdicts = describe_cells(names, count), [verdict for _, verdict in found]
    if len({each.message for each in verdicts}) == 1:
        names, shown = [""], 1
    elif len(found) <= MOST_MESSAGES:
        shown = len(found)
    else:
        where, shown = f"{where}; for example:", 1
    yield from wrap_whole(f"{found[0][1].code}{describe_severities(verdicts)}: {where}")
    for name, each in zip(names, verdicts[:shown], strict=False):
        yield from wrap_whole(f"{name}: {each.message}" if name else each.message, "  ")
    grave = (each for each in verdicts[:shown] if each.severity != "info")
    for advice in dict.fromkeys(each.advice for each in grave):
        yield from wrap_whole(f"→ {advice}", "  ")


def describe_severities(verdicts: Sequence[VerdictRecord]) -> str:
    """Return how many are of which severity, if they differ."""
    counts = Counter(each.severity for each in verdicts)
    named = ", ".join(f"{counts[each]} {each}" for each in SEVERITIES if counts[each])
    return f" ({named})" if len(counts) > 1 else ""


def describe_cells(names: Sequence[str], count: int) -> str:
    if len(names) == count > 1:
        return f"all {count} cells"
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} of {count} cells"
