"""Every report of a run, from its records alone."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.report.contrast_tables import export_contrasts
from analysis.report.export import export_cell, render_csv
from analysis.report.markdown import render_summary_markdown
from analysis.report.trials_table import export_scenario
from analysis.summary import sweep, thresholds
from analysis.summary.cell import compute_summary
from analysis.summary.comparison import Comparison
from analysis.summary.model import SCHEMA, CellSummary
from analysis.summary.run import RunSummary, read_run_settings, summarize_run
from records.prediction import Prediction
from records.rundir import CellDir, RunDir
from scenarios.errors import UserError

if TYPE_CHECKING:
    from analysis.report.drawing import RenderedChart


def load_cell_summary(cell: CellDir, prediction: Prediction | None = None) -> CellSummary:
    """Raises UserError for a table that is missing or damaged."""
    return compute_summary(cell.load_record(), cell, prediction)


def load_run_summary(run: RunDir) -> RunSummary:
    """Raises UserError for a record that is missing or damaged."""
    asked = read_run_settings(run.load_manifest())
    cells = [
        load_cell_summary(cell, asked.predictions.get(cell.load_record().scenario.name))
        for cell in run.list_saved_cells()
    ]
    return summarize_run(cells, asked)


def render_summary_json(summary: RunSummary) -> str:
    content: dict[str, object] = {
        "schema": SCHEMA,
        "cells": [export_cell(cell) for cell in summary.cells],
        "scenarios": [export_scenario(each) for each in summary.scenarios],
    }
    if summary.knee is not None:
        content["capacity"] = asdict(summary.knee)
    if summary.sweeps:
        content["sweeps"] = sweep.export_sweeps(summary.sweeps)
    if summary.contrasts:
        content |= export_contrasts(summary.contrasts)
    if summary.outcomes:
        content["expectations"] = [thresholds.export_outcome(each) for each in summary.outcomes]
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def write_reports(folder: Path, summary: RunSummary) -> None:
    """summary.json, summary.csv and summary.md, and contrast.json where scenarios stand side by
    side: the same bytes for the same records."""
    (folder / "summary.json").write_text(render_summary_json(summary))
    (folder / "summary.csv").write_text(render_csv(summary.cells))
    (folder / "summary.md").write_text(render_summary_markdown(summary))
    if summary.contrasts:
        told = json.dumps(export_contrasts(summary.contrasts), indent=2, allow_nan=False)
        (folder / "contrast.json").write_text(told + "\n")


def write_page(run: RunDir, summary: RunSummary) -> Path:
    """report.html, and its pictures in charts/ as SVG and PNG. It takes seconds: at a run's end."""
    from analysis.report.page import render_report  # altair and vl-convert take a while to import

    made = render_report(run, summary)
    save_pictures(run.path / "charts", made.pictures)
    path = run.path / "report.html"
    path.write_text(made.html)
    return path


def write_comparison(
    path: Path,
    a: tuple[RunDir, RunSummary],
    b: tuple[RunDir, RunSummary],
    comparison: Comparison,
    unlike: Sequence[str],
) -> None:
    """The page, and its pictures in a folder beside it. Raises UserError if it can't be written."""
    from analysis.report.comparison_page import ComparisonRun, render_comparison

    made = render_comparison(ComparisonRun("A", *a), ComparisonRun("B", *b), comparison, unlike)
    try:
        save_pictures(path.with_suffix(".charts"), made.pictures)
        path.write_text(made.html)
    except OSError as error:
        raise UserError(f"--html {path}: can't be written: {error.strerror}") from error


def save_pictures(folder: Path, pictures: "Iterable[RenderedChart]") -> None:
    """As SVG and as PNG."""
    folder.mkdir(exist_ok=True)
    for each in pictures:
        (folder / f"{each.name}.svg").write_text(each.svg)
        (folder / f"{each.name}.png").write_bytes(each.render_png())
