"""summary.md: what a run came to, fit for a pull request."""

from collections.abc import Iterator, Sequence

from analysis.report.capacity_table import render_capacity
from analysis.report.contrast_tables import build_contrast_tables, build_overall_table
from analysis.report.notes import describe_outcome, write_notes
from analysis.report.render import escape_markdown, render_markdown
from analysis.report.run_table import build_run_table, format_cell_name
from analysis.report.sweep_table import build_sweep_table
from analysis.report.trials_table import HEADING, build_trials_table, select_repeated
from analysis.summary.contrast import Contrast, compute_overall
from analysis.summary.model import CellSummary
from analysis.summary.run import RunSummary


def render_summary_markdown(summary: RunSummary) -> str:
    cells = summary.cells
    text = f"`{summary.command}`\n\n"
    text += render_markdown(build_run_table(cells, with_unanswered=False))
    if repeated := select_repeated(summary.scenarios):
        text += f"\nOver the trials, {escape_markdown(HEADING)}:\n\n"
        text += render_markdown(build_trials_table(repeated))
    text += "".join(f"{line}\n" for line in list_cell_notes(cells))
    text += render_contrasts(summary.contrasts)
    for each in summary.sweeps:
        table = build_sweep_table(each, f"{each.scenario} over {each.setting}")
        text += f"\n{render_markdown(table)}"
    if summary.knee is not None:
        text += "\n" + "".join(f"    {line}\n" for line in render_capacity(cells))
    if summary.outcomes:
        lines = (escape_markdown(describe_outcome(each)) for each in summary.outcomes)
        text += "\n**expected**\n\n" + "".join(f"- {line}\n" for line in lines)
    return text


def render_contrasts(found: Sequence[Contrast]) -> str:
    """Empty where nothing stands side by side."""
    tables = [table for each in found for table in build_contrast_tables(each, narrow=False)]
    text = "".join(f"\n{render_markdown(each)}" for each in tables)
    if overall := compute_overall(found):
        base = escape_markdown(overall[0].contender)
        text += f"\n**Over all {overall[0].subjects}, beside {base}** "
        text += "(geometric means of the ratios)\n\n"
        text += render_markdown(build_overall_table(overall))
    return text


def list_cell_notes(cells: Sequence[CellSummary]) -> Iterator[str]:
    for cell in cells:
        if notes := write_notes(cell):
            yield from ("", f"**{escape_markdown(format_cell_name(cell))}**", "")
            yield from (f"- {escape_markdown(note)}" for note in notes)
            yield from (f"- {verdict.code}: {verdict.advice}" for verdict in cell.verdicts)
