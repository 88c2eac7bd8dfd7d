"""Every report of a run, from its records alone."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from analysis import expectations, tables, trials
from analysis.capacity import capacity_lines
from analysis.figures import summarise
from analysis.run_summary import RunSummary, asked_of, summarised
from analysis.summary import SCHEMA, CellSummary
from records.rundir import CellDir, RunDir


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
    if summary.outcomes:
        content["expectations"] = [expectations.as_json(each) for each in summary.outcomes]
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def summary_markdown(summary: RunSummary) -> str:
    over_trials = trials.trial_markdown(summary.scenarios)
    text = tables.markdown(summary.cells, summary.command, over_trials)
    if summary.knee is not None:
        text += "\n" + "".join(f"    {line}\n" for line in capacity_lines(summary.cells))
    if not summary.outcomes:
        return text
    lines = (tables.escaped(expectations.outcome_line(each)) for each in summary.outcomes)
    return text + "\n**expected**\n\n" + "".join(f"- {line}\n" for line in lines)


def write_reports(run: RunDir, cells: Sequence[CellSummary], out: Path | None = None) -> None:
    """summary.json, summary.csv and summary.md: the same bytes for the same records."""
    folder = out or run.path
    summary = summarised(cells, asked_of(run.manifest()))
    (folder / "summary.json").write_text(summary_json(summary))
    (folder / "summary.csv").write_text(tables.comma_separated(summary.cells))
    (folder / "summary.md").write_text(summary_markdown(summary))


def write_page(run: RunDir, summary: RunSummary) -> Path:
    """report.html, and its pictures in charts/ as SVG and PNG. It takes seconds: at a run's end."""
    from analysis.report.page import page  # altair and vl-convert take a while to import

    made = page(run, summary)
    charts = run.path / "charts"
    charts.mkdir(exist_ok=True)
    for each in made.pictures:
        (charts / f"{each.name}.svg").write_text(each.svg)
        (charts / f"{each.name}.png").write_bytes(each.png())
    path = run.path / "report.html"
    path.write_text(made.html)
    return path
