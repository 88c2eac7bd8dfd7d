"""summary.md: what a run came to, fit for a pull request."""

from collections.abc import Iterator, Sequence

from analysis.report.contrast_tables import render_contrast_markdown
from analysis.report.notes import write_notes
from analysis.report.render import escape_markdown, render_markdown
from analysis.report.run_table import build_run_table, format_cell_name
from analysis.summary.capacity import render_capacity_lines
from analysis.summary.model import CellSummary
from analysis.summary.run import RunSummary
from analysis.summary.sweep import render_sweep_markdown
from analysis.summary.thresholds import render_outcome
from analysis.summary.trials import render_trial_markdown


def render_summary_markdown(summary: RunSummary) -> str:
    cells = summary.cells
    text = f"`{summary.command}`\n\n"
    text += render_markdown(build_run_table(cells, with_unanswered=False))
    if over_trials := render_trial_markdown(summary.scenarios):
        text += f"\n{over_trials}"
    text += "".join(f"{line}\n" for line in list_cell_notes(cells))
    text += render_contrast_markdown(summary.contrasts) + render_sweep_markdown(summary.sweeps)
    if summary.knee is not None:
        text += "\n" + "".join(f"    {line}\n" for line in render_capacity_lines(cells))
    if summary.outcomes:
        lines = (escape_markdown(render_outcome(each)) for each in summary.outcomes)
        text += "\n**expected**\n\n" + "".join(f"- {line}\n" for line in lines)
    return text


def list_cell_notes(cells: Sequence[CellSummary]) -> Iterator[str]:
    for cell in cells:
        if notes := write_notes(cell):
            yield from ("", f"**{escape_markdown(format_cell_name(cell))}**", "")
            yield from (f"- {escape_markdown(note)}" for note in notes)
            yield from (f"- {verdict.code}: {verdict.advice}" for verdict in cell.verdicts)
