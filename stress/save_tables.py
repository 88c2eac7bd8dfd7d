"""The tables of a cell, from what its processes wrote."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from records.build_probe_tables import PATH_COLUMNS, PROBE_TABLES
from records.build_tables import (
    build_requests_table,
    build_upstream_table,
    build_usage_table,
    read_journals,
)
from records.cell import CellRecord
from records.clocks import ClockModel, estimate_clocks
from records.journal import Journal
from records.rundir import CellDir
from stress.load.oha import locate_oha_rows, read_oha_rows
from stress.load.protocol import read_clocks
from stress.places import ROOT
from stress.stack import UPSTREAM_LOG

STUDY_TABLES = ("handlers", "probe", "blocks", "block_stacks", "thread_calls")
"""What the probe writes without an audit."""


@dataclass(frozen=True, slots=True)
class RawCell:
    """What the processes of a cell wrote. worked: journals of the probe, sent: of the load."""

    worked: Sequence[Journal]
    lost: tuple[str, ...]
    sent: Sequence[Journal]
    clocks: tuple[ClockModel, ...]


def read_raw_cell(journals: Path, raw: Path) -> RawCell:
    """journals: the folder of the probe's, which may be a held-up server's own."""
    worked, lost = read_journals(sorted(journals.glob("probe-*.journal")))
    sent, _ = read_journals(sorted(raw.glob("load-*.journal")))
    return RawCell(worked, lost, sent, estimate_clocks(read_clocks(raw)))


def save_tables(
    directory: CellDir,
    record: CellRecord,
    raw: RawCell,
    observed: Mapping[str, pl.DataFrame],
    end_s: float,
) -> None:
    """observed: by the runner. end_s: of the cell, absolute."""
    name, t0_s, scenario = record.name, record.t0_s, record.scenario
    by_process = {clock.process: clock for clock in raw.clocks}
    machine = observed["machine"]
    if raw.clocks:  # load processes on other machines: nobody here sees what they use
        used = build_usage_table(raw.sent, t0_s, by_process)
        machine = pl.concat([machine, used]).sort("at_s")
    tables = {
        "requests": build_requests_table(name, raw.sent, t0_s, by_process)
        if scenario.load.engine == "locust"
        else load_oha_rows(directory, record),
        **build_stripped_tables(raw.worked, t0_s, end_s, scenario.server.folder or str(ROOT)),
        **observed,
        "machine": machine,
        "upstream": build_upstream_table(directory.raw / UPSTREAM_LOG, t0_s, end_s),
    }
    for which, table in tables.items():
        directory.save_table(which, table)


def load_oha_rows(directory: CellDir, record: CellRecord) -> pl.DataFrame:
    """Load what an earlier attempt has saved if oha's own file is gone."""
    path = locate_oha_rows(directory.raw)
    if not path.exists() and directory.has_table("requests"):
        return directory.load_table("requests")
    return read_oha_rows(path, record.name, record.phases.window_start_s or 0.0)


def build_stripped_tables(
    worked: Sequence[Journal], t0_s: float, end_s: float, folder: str
) -> dict[str, pl.DataFrame]:
    """What the probe has seen. folder: the app's, whose files are named from it."""
    found = {}
    for name in STUDY_TABLES:
        found[name] = PROBE_TABLES[name](worked, t0_s, end_s)
        for column, before in PATH_COLUMNS.get(name, ()):
            found[name] = strip_column(found[name], column, before, folder)
    return found


def strip_column(rows: pl.DataFrame, column: str, before: str, folder: str) -> pl.DataFrame:
    """Files from the root of what they belong to. before: what stands before each. folder: the
    app's."""
    text = pl.col(column)
    for path, name in ((sys.prefix, "/"), (sys.base_prefix, "/"), (folder, "")):
        text = text.str.replace_all(f"{before}{path}/", f"{before}{name}", literal=True)
    return rows.with_columns(text)
