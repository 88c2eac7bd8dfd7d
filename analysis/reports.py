"""Every report of a run, from its records alone."""

import json
from collections.abc import Sequence
from pathlib import Path

from analysis.figures import summarise
from analysis.population import Tables
from analysis.summary import SCHEMA, CellSummary
from analysis.tables import as_json, comma_separated, markdown
from records.rundir import CellDir, RunDir


def summary_of(cell: CellDir) -> CellSummary:
    return summarise(
        cell.record(),
        Tables(
            requests=cell.table("requests"),
            handlers=cell.table("handlers"),
            probe=cell.table("probe"),
            machine=cell.table("machine"),
            bystander=cell.table("bystander"),
            upstream=cell.table("upstream"),
        ),
    )


def summary_json(cells: Sequence[CellSummary]) -> str:
    content = {"schema": SCHEMA, "cells": [as_json(cell) for cell in cells]}
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def write_reports(run: RunDir, cells: Sequence[CellSummary], out: Path | None = None) -> None:
    """summary.json, summary.csv and summary.md: the same bytes for the same records."""
    folder = out or run.path
    command = run.manifest().get("command")
    (folder / "summary.json").write_text(summary_json(cells))
    (folder / "summary.csv").write_text(comma_separated(cells))
    (folder / "summary.md").write_text(markdown(cells, command if isinstance(command, str) else ""))
