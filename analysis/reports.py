"""Every report of a run, from its records alone."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import contrast, expectations, sweep, tables, trials
from analysis.capacity import capacity_lines
from analysis.compare import Comparison
from analysis.contrast_tables import contrast_markdown
from analysis.figures import summarise
from analysis.run_summary import RunSummary, asked_of, summarised
from analysis.summary import SCHEMA, CellSummary
from records.rundir import CellDir, RunDir
from scenarios.problems import Problem

if TYPE_CHECKING:
    from analysis.report.drawing import Drawn


def summary_of(cell: CellDir) -> CellSummary:
    """Raises Problem for a table that is missing or damaged."""
    return summarise(cell.record(), cell)


def run_summary_of(run: RunDir) -> RunSummary:
    """Raises Problem for a record that is missing or damaged."""
    cells = [summary_of(cell) for cell in run.cells()]
    return summarised(cells, asked_of(run.manifest()))


def summary_json(summary: RunSummary) -> str:
    content: dict[str, object] = {
        "schema": SCHEMA,
        "cells": [tables.as_json(cell) for cell in summary.cells],
        "scenarios": [trials.as_json(each) for each in summary.scenarios],
    }
    if summary.knee is not None:
        content["capacity"] = asdict(summary.knee)
    if summary.sweeps:
        content["sweeps"] = sweep.as_json(summary.sweeps)
    if summary.contrasts:
        content |= contrast.as_json(summary.contrasts)
    if summary.outcomes:
        content["expectations"] = [expectations.as_json(each) for each in summary.outcomes]
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def summary_markdown(summary: RunSummary) -> str:
    over_trials = trials.trial_markdown(summary.scenarios)
    text = tables.markdown(summary.cells, summary.command, over_trials)
    text += contrast_markdown(summary.contrasts) + sweep.markdown(summary.sweeps)
    if summary.knee is not None:
        text += "\n" + "".join(f"    {line}\n" for line in capacity_lines(summary.cells))
    if not summary.outcomes:
        return text
    lines = (tables.escaped(expectations.outcome_line(each)) for each in summary.outcomes)
    return text + "\n**expected**\n\n" + "".join(f"- {line}\n" for line in lines)


def write_reports(run: RunDir, cells: Sequence[CellSummary], out: Path | None = None) -> None:
    """summary.json, summary.csv and summary.md, and contrast.json where scenarios stand side by
    side: the same bytes for the same records."""
    folder = out or run.path
    summary = summarised(cells, asked_of(run.manifest()))
    (folder / "summary.json").write_text(summary_json(summary))
    (folder / "summary.csv").write_text(tables.comma_separated(summary.cells))
    (folder / "summary.md").write_text(summary_markdown(summary))
    if summary.contrasts:
        told = json.dumps(contrast.as_json(summary.contrasts), indent=2, allow_nan=False)
        (folder / "contrast.json").write_text(told + "\n")


def write_page(run: RunDir, summary: RunSummary) -> Path:
    """report.html, and its pictures in charts/ as SVG and PNG. It takes seconds: at a run's end."""
    from analysis.report.page import page  # altair and vl-convert take a while to import

    made = page(run, summary)
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
    """The page, and its pictures in a folder beside it. Raises Problem if it can't be written."""
    from analysis.report.comparison import Side, comparison_page

    made = comparison_page(Side("A", *a), Side("B", *b), comparison, unlike)
    try:
        save_pictures(path.with_suffix(".charts"), made.pictures)
        path.write_text(made.html)
    except OSError as error:
        raise Problem(f"--html {path}: can't be written: {error.strerror}") from error


def save_pictures(folder: Path, pictures: "Iterable[Drawn]") -> None:
    """As SVG and as PNG."""
    folder.mkdir(exist_ok=True)
    for each in pictures:
        (folder / f"{each.name}.svg").write_text(each.svg)
        (folder / f"{each.name}.png").write_bytes(each.png())
