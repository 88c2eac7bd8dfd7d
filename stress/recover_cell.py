"""Save the cell of a runner that was killed: its processes wrote their rows themselves."""

from dataclasses import replace
from typing import Literal

import polars as pl

from records.build_tables import build_usage_table
from records.rows import BYSTANDER
from records.rundir import RECORD, CellDir, read_record
from stress.cell_runner import is_running
from stress.load.oha import remove_oha_rows
from stress.load.protocol import LoadControl, read_message
from stress.logged_reasons import add_logged_reasons
from stress.plan import plan_windows
from stress.save_cell import BEGUN_FILE
from stress.save_tables import load_oha_rows, read_raw_cell, save_tables

Outcome = Literal["recovered", "running", "killed early"]
"""killed early: before the window opened."""


def recover_cell(cell: CellDir) -> Outcome:
    """Save a cell from the files of its processes. What only the runner saw is missing: the CPU of
    server and upstream, and the background requests. Raises UserError for damaged files, OSError if
    nothing can be written."""
    if is_running(cell):
        return "running"
    begun_file = cell.raw / BEGUN_FILE
    if not begun_file.exists():
        return "killed early"
    begun = read_record(RECORD, begun_file)
    raw = read_raw_cell(cell.raw / "journals", cell.raw)
    ends_s = [journal.tables["u"]["at_s"].max() for journal in raw.sent]
    if begun.scenario.load.engine != "locust":
        ends_s = [shift_end(load_oha_rows(cell, begun), begun.t0_s)]
    last_s = max((each for each in ends_s if isinstance(each, float)), default=begun.t0_s)
    control = read_message(cell.raw, LoadControl)
    stop_s = last_s if control is None else min(last_s, control.stop_at_s)
    # killed early in its window, a cell's last sample may be older than the window
    start_s = begun.phases.window_start_s or 0.0
    end_s = min(max(stop_s - begun.t0_s, start_s), start_s + plan_windows(begun.scenario).window_s)
    drain_end_s = max(last_s - begun.t0_s, end_s)
    phases = replace(begun.phases, window_end_s=end_s, drain_end_s=drain_end_s)
    record = replace(begun, phases=phases, journals_lost=raw.lost, clocks=raw.clocks)
    record = add_logged_reasons(record, cell.raw.glob("*.log"), {})
    observed = {
        "machine": build_usage_table([] if raw.clocks else raw.sent, begun.t0_s, {}),
        "bystander": pl.DataFrame(schema=BYSTANDER),
    }
    save_tables(cell, record, raw, observed, last_s)
    cell.save_record(record)
    remove_oha_rows(cell.raw)
    return "recovered"


def shift_end(rows: pl.DataFrame, t0_s: float) -> float | None:
    """Return the absolute time of the last response."""
    last_s = rows["ended_s"].max()
    return t0_s + last_s if isinstance(last_s, float) else None
