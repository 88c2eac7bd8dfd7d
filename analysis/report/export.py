"""summary.csv."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict

from analysis.summary.model import CellSummary


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
