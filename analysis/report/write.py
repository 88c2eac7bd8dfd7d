"""The report files of a run, written from its records alone."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.answers.compose import RunAnswer, compose_answer, export_answer
from analysis.answers.results import collect_results
from analysis.report.answer_lines import render_answer_markdown
from analysis.report.comparison_tables import (
    build_contrast_tables,
    build_overall_table,
    export_contrasts,
)
from analysis.report.notes import describe_outcome, list_advice, write_notes
from analysis.report.run_table import build_run_table, format_cell_name
from analysis.report.search_tables import build_sweep_table, render_capacity
from analysis.report.table import escape_markdown, quote_code, render_markdown
from analysis.report.trials_table import HEADING, build_trials_table, name_reasons, select_repeated
from analysis.summary import sweep
from analysis.summary.cell import compute_summary
from analysis.summary.comparison import Comparison
from analysis.summary.contrast import Contrast, compute_overall
from analysis.summary.model import SCHEMA, CellSummary
from analysis.summary.run import RunSummary, read_run_settings, summarize_run
from records.files import translate_file_errors, write_whole
from records.prediction import Prediction
from records.rundir import CellDir, RunDir, translate_judging_errors

if TYPE_CHECKING:
    from analysis.report.drawing import RenderedChart

PICTURE = re.compile(r'<figure id="([\w.-]+)">')
"""A picture of a page; its files have that name."""


def load_cell_summary(cell: CellDir, prediction: Prediction | None = None) -> CellSummary:
    """Raises UserError for a table that is missing or damaged."""
    return compute_summary(cell.load_record(), cell, prediction)


def load_run_summary(run: RunDir) -> RunSummary:
    """Raises UserError for a record that is missing or damaged."""
    with translate_judging_errors(run.manifest_file):
        asked = read_run_settings(run.load_manifest())
    cells = []
    for cell in run.list_saved_cells():
        prediction = asked.find_prediction(cell.load_record())
        with translate_judging_errors(cell.path):
            cells.append(load_cell_summary(cell, prediction))
    with translate_judging_errors(run.path):
        summary = summarize_run(cells, asked)
        render_summary_json(summary)  # a value that is not a number is found here
        return summary


def write_reports(folder: Path, summary: RunSummary) -> None:
    """Write summary.json, summary.csv, summary.md and, for compared scenarios, contrast.json. The
    same records give the same bytes."""
    write_whole(folder / "summary.json", render_summary_json(summary))
    write_whole(folder / "summary.csv", render_csv(summary.cells))
    write_whole(folder / "summary.md", render_summary_markdown(summary))
    if summary.contrasts:
        write_whole(folder / "contrast.json", render_json(export_contrasts(summary.contrasts)))


def render_summary_json(summary: RunSummary) -> str:
    content: dict[str, object] = {
        "schema": SCHEMA,
        "cells": [asdict(cell) for cell in summary.cells],
        "scenarios": [asdict(each, dict_factory=name_reasons) for each in summary.scenarios],
    }
    content["answer"] = export_answer(compose_run_answer(summary))
    if summary.knee is not None:
        content["capacity"] = asdict(summary.knee)
    if summary.sweeps:
        content["sweeps"] = sweep.export_sweeps(summary.sweeps)
    if summary.contrasts:
        content |= export_contrasts(summary.contrasts)
    if summary.outcomes:
        content["expectations"] = [asdict(each) for each in summary.outcomes]
    return render_json(content)


def render_json(content: object) -> str:
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def render_csv(cells: Sequence[CellSummary]) -> str:
    """Render summary.csv: a line for each cell, empty where unknown."""
    rows = [flatten_cell(cell) for cell in cells]
    text = io.StringIO()
    names = dict.fromkeys(key for row in rows for key in row)
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def flatten_cell(cell: CellSummary) -> dict[str, object]:
    """Flatten the keys (`bystander_median_ms`), and leave out lists except the verdict codes."""
    row: dict[str, object] = {}
    for key, value in asdict(cell).items():
        if isinstance(value, dict):
            row |= {f"{key}_{inner}": each for inner, each in value.items() if is_flat(each)}
        elif key == "verdicts":
            row["verdicts"] = " ".join(verdict.code for verdict in cell.verdicts)
        elif not isinstance(value, list | tuple):
            row[key] = value
    return row


def is_flat(value: object) -> bool:
    """Return True if the value holds no dicts, which a CSV field could not show."""
    values = value if isinstance(value, list | tuple) else (value,)
    return not any(isinstance(each, dict) for each in values)


def compose_run_answer(summary: RunSummary) -> RunAnswer:
    return compose_answer(collect_results(summary))


def render_summary_markdown(summary: RunSummary) -> str:
    """Render summary.md: the results of a run, for a pull request."""
    cells = summary.cells
    text = (
        f"{render_answer_markdown(compose_run_answer(summary))}\n{quote_code(summary.command)}\n\n"
    )
    if repeated := select_repeated(summary.scenarios):
        text += f"Over the trials, {escape_markdown(HEADING)}:\n\n"
        text += render_markdown(build_trials_table(repeated)) + "\nEach trial:\n\n"
    text += render_markdown(build_run_table(cells, with_unanswered=False))
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
    """Return an empty text if there is no comparison."""
    tables = [table for each in found for table in build_contrast_tables(each, narrow=False)]
    text = "".join(f"\n{render_markdown(each)}" for each in tables)
    if overall := compute_overall(found):
        base = escape_markdown(overall[0].contender)
        text += f"\n**Over all {overall[0].subjects}, compared with {base}** "
        text += "(geometric means of the ratios)\n\n"
        text += render_markdown(build_overall_table(overall))
    return text


def list_cell_notes(cells: Sequence[CellSummary]) -> Iterator[str]:
    for cell in cells:
        if notes := write_notes(cell):
            yield from ("", f"**{escape_markdown(format_cell_name(cell))}**", "")
            yield from (f"- {escape_markdown(note)}" for note in notes)
            yield from (f"- {escape_markdown(each)}" for each in list_advice(cell))


def write_page(run: RunDir, summary: RunSummary) -> Path:
    """Write report.html, and its pictures to charts/ as SVG and PNG. This takes seconds."""
    from analysis.report.page import render_report  # altair and vl-convert take a while to import

    html, pictures = render_report(run, summary, compose_run_answer(summary))
    path, charts = run.path / "report.html", run.path / "charts"
    shown_before = list_page_pictures(path)
    save_pictures(charts, pictures)
    write_whole(path, html)
    remove_pictures(charts, shown_before - {each.name for each in pictures if each})
    return path


def write_comparison(
    path: Path,
    sides: Mapping[str, tuple[RunDir, RunSummary]],
    comparison: Comparison,
    unlike: Sequence[str],
) -> None:
    """Write the page, and its pictures to a folder next to it. Raises UserError on failure."""
    from analysis.report.comparison_page import render_comparison

    html, pictures = render_comparison(sides, comparison, unlike)
    with translate_file_errors(f"--html {path}"):
        charts, shown_before = path.with_suffix(".charts"), list_page_pictures(path)
        save_pictures(charts, pictures)
        write_whole(path, html)
        remove_pictures(charts, shown_before - {each.name for each in pictures if each})


def save_pictures(folder: Path, pictures: "Iterable[RenderedChart | None]") -> None:
    """Save each picture as SVG and PNG."""
    folder.mkdir(exist_ok=True)
    for each in filter(None, pictures):
        write_whole(folder / f"{each.name}.svg", each.svg)
        write_whole(folder / f"{each.name}.png", each.render_png())


def list_page_pictures(page: Path) -> set[str]:
    """List the pictures that a page shows; none if there is no page."""
    if not page.is_file():
        return set()
    return set(PICTURE.findall(page.read_text(encoding="utf-8", errors="replace")))


def remove_pictures(folder: Path, names: Iterable[str]) -> None:
    """Remove the files of pictures that an earlier page showed and this one does not."""
    for name in names:
        for suffix in (".svg", ".png"):
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
