"""Saves the tables and the record of an audit: at its end, or later if it was killed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import polars as pl
from pydantic import TypeAdapter

from records.audit import AUDIT_FILE, KIND, AuditRecord
from records.build_probe_tables import save_probe_tables
from records.build_tables import read_journals
from records.files import write_whole
from records.rundir import CellDir, RunDir, encode_record, read_record, translate_read_errors
from stress.audit.driven import build_asked_table
from stress.audit.kept_rows import ROWS_FILE, read_kept_rows, restore_phases
from stress.audit.probe_folder import close_probe_folder
from stress.cell_runner import is_running
from stress.recover_cell import Outcome
from stress.save_cell import BEGUN_FILE, KILLED

LOG_FILE = "server.log"
RECORD = TypeAdapter(AuditRecord)


def save_begun_audit(cell: CellDir, record: AuditRecord) -> None:
    """Save what is known before the load, in case the audit is killed."""
    write_whole(cell.raw / BEGUN_FILE, encode_record(RECORD, replace(record, interrupted=KILLED)))


def save_audit(cell: CellDir, record: AuditRecord, rows: pl.DataFrame) -> AuditRecord:
    """Return the record with what the journals lack. rows: of the clients. Raises OSError if the
    disk is full."""
    cell.path.mkdir(parents=True, exist_ok=True)
    discard_log(cell)
    journals, lost = read_journals(list_journals(cell))
    found = save_probe_tables(cell, journals, record.t0_s, record.t0_s + record.ended_s)
    cell.save_table("asked", rows)
    record = replace(record, journals_lost=lost, journals=found)
    save_audit_record(cell, record)
    for name in (ROWS_FILE, BEGUN_FILE):
        (cell.raw / name).unlink(missing_ok=True)
    return record


def save_audit_record(cell: CellDir, record: AuditRecord) -> None:
    write_whole(cell.path / AUDIT_FILE, encode_record(RECORD, record))


def recover_audit(cell: CellDir) -> Outcome:
    """Save an audit from the files of its processes. What only the audit saw of the server is
    missing, and the rows of a locustfile. Raises UserError for damaged files, OSError if nothing
    can be written."""
    begun_file, rows_file = cell.raw / BEGUN_FILE, cell.raw / ROWS_FILE
    if is_running(cell):
        return "running"
    discard_log(cell)
    for folder in cell.raw.glob("probe-*/"):
        close_probe_folder(folder)
    if not begun_file.exists():
        return "killed early"
    begun = read_record(RECORD, begun_file)
    with translate_read_errors(rows_file):
        rows, phases = read_kept_rows(rows_file) if rows_file.exists() else ([], ())
    samples_s = [each - begun.t0_s for each in list_moments(cell)]
    ended_s = max([*samples_s, *(each[6] or each[5] for each in rows)], default=0.0)
    phases = (*phases, *restore_phases(rows, phases, ended_s))
    record = replace(begun, ended_s=ended_s, phases=phases)
    save_audit(cell, record, build_asked_table(rows))
    return "recovered"


def discard_unfinished_rounds(run: RunDir) -> None:
    """Remove what a round of a trial left when the audit was killed."""
    if not is_running(run.open_cell(KIND)):
        for raw in run.path.glob("cells/trial-*/raw"):
            rmtree(raw.parent)


def discard_log(cell: CellDir) -> None:
    """Remove the server's output, which may hold a secret."""
    (cell.raw / LOG_FILE).unlink(missing_ok=True)


def list_journals(cell: CellDir) -> list[Path]:
    """List the journals in the folder of the service's probe."""
    return sorted(cell.raw.rglob("probe-*.journal"))


def list_moments(cell: CellDir) -> Iterator[float]:
    """Yield the last sample of each process, by time.monotonic()."""
    for journal in read_journals(list_journals(cell))[0]:
        last_s = journal.tables["s"]["at_s"].max()
        if isinstance(last_s, float):
            yield last_s
