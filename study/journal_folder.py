"""The folder of a probe that ran without `study`, such as that of `python -m asgi_probe run`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter

from records.audit import (
    ASKED,
    AUDIT_FILE,
    FINDINGS_FILE,
    KIND,
    SARIF_FILE,
    SUMMARY_FILE,
    AttachedProcess,
    AuditRecord,
    Phase,
)
from records.build_probe_tables import save_probe_tables
from records.build_tables import read_journals
from records.files import write_whole
from records.journal import Journal
from records.process_ids import make_process_id
from records.rundir import LONGEST_S, RunDir, encode_record, read_record, translate_write_errors
from scenarios.errors import UserError
from scenarios.units import Second
from stress.audit.drive import OWN_TRAFFIC
from stress.audit.reports import read_reports
from study import __version__

JOURNALS, LAUNCH_FILE = "probe-*.journal", "launch.json"
OTHER_FOLDER = f"copy the journals, attach-*.json and {LAUNCH_FILE} to another folder"
LAUNCHER = ("python", "-m", "asgi_probe", "run", "--")

OUTPUTS = (FINDINGS_FILE, SARIF_FILE, SUMMARY_FILE, "report.html")


@dataclass(frozen=True, slots=True)
class Launch:
    """What the launcher noted. Without it, a folder has only the journals of `Probe(app, folder)`.
    t0_s: time.monotonic() of the service's host."""

    command: tuple[str, ...] = ()
    folder: str = ""
    started_utc: str = ""
    t0_s: Second | None = None
    os: str | None = None
    machine: str | None = None
    cores: int | None = None
    launch: int = 1

    def __post_init__(self) -> None:
        """Raises ValueError for a start without a date."""
        if self.started_utc:
            datetime.fromisoformat(self.started_utc)


READER = TypeAdapter(Launch)


def is_journal_folder(path: Path) -> bool:
    return (path / LAUNCH_FILE).is_file() or any(path.glob(JOURNALS))


def load_journals(path: Path) -> tuple[list[Journal], tuple[str, ...]]:
    """Return the journals, and the names of incomplete or unreadable ones. Raises UserError if
    there is none that can be read."""
    journals, lost = read_journals(sorted(path.glob(JOURNALS)))
    if journals:
        return journals, lost
    if lost:
        raise UserError(f"{path}: no journal of this folder can be read")
    raise UserError(
        f"{path}: the probe wrote no journal; the service got no request, or its server loads "
        "no ASGI app that the probe can see, or its user may not write to this folder (then its "
        "log says: Permission denied)"
    )


def build_run(path: Path) -> RunDir:
    """Build the tables of an audit from the journals, again if the folder already has some: the
    service may still run. Raises UserError."""
    journals, lost = load_journals(path)
    launch, run = read_launch(path), RunDir(path)
    check_outputs(run)
    t0_s, end_s = choose_span(path, launch, journals)
    cell = run.open_cell(KIND)
    with translate_write_errors(path, "the tables", OTHER_FOLDER):
        cell.path.mkdir(parents=True, exist_ok=True)
        found = save_probe_tables(cell, journals, t0_s, end_s)
        cell.save_table("asked", pl.DataFrame(schema=ASKED))
        record = replace(
            build_record(path, launch, t0_s, end_s), journals_lost=lost, journals=found
        )
        write_whole(cell.path / AUDIT_FILE, encode_record(TypeAdapter(AuditRecord), record))
        run.save_manifest({
            "kind": KIND,
            "command": " ".join((*LAUNCHER, *launch.command)) if launch.command else "",
            "environment": {
                "os": launch.os, "machine": launch.machine, "cores": launch.cores,
                "study": __version__,
            },
        })  # fmt: skip
    return run


def check_outputs(run: RunDir) -> None:
    """Raises UserError if the folder has files with the names of a report's, and no report."""
    files = (run.manifest_file, *(run.path / name for name in OUTPUTS))
    found = [file for file in files if file.exists()]
    if found and not is_reported(run):
        raise UserError(
            f"{found[0]} is not an earlier report's, and would be replaced; move it, or "
            f"{OTHER_FOLDER}"
        )


def is_reported(run: RunDir) -> bool:
    try:
        return run.load_manifest().get("kind") == KIND
    except UserError:
        return False


def find_later_starts(path: Path) -> list[Path]:
    """Return the folders of later starts of the service, the earliest first."""
    return sorted({each.parent for each in path.glob(f"*/{JOURNALS}")})


def read_launch(path: Path) -> Launch:
    file = path / LAUNCH_FILE
    return read_record(READER, file) if file.exists() else Launch()


def choose_span(path: Path, launch: Launch, journals: list[Journal]) -> tuple[Second, Second]:
    """Return the service's start and the last moment of its journals. Raises UserError if the
    start is no moment before that."""
    t0_s, (first_s, end_s) = launch.t0_s, find_span(journals) or (launch.t0_s or 0.0,) * 2
    if t0_s is None:
        return first_s, end_s
    if not 0 <= end_s - t0_s <= LONGEST_S:
        raise UserError(
            f"{path / LAUNCH_FILE} is not of these journals: its t0_s, {t0_s:g}, is not in the "
            f"{LONGEST_S / 86400:.0f} days before their last row"
        )
    return t0_s, end_s


def find_span(journals: list[Journal]) -> tuple[Second, Second] | None:
    """Return the first and the last moment of the probe's samples and requests, if any."""
    moments = pl.concat(
        [
            journal.tables[letter].select(at_s=name)
            for journal in journals
            for letter, name in (("s", "at_s"), ("h", "arrived_s"))
        ]
    )["at_s"]
    first, last = moments.min(), moments.max()
    return (first, last) if isinstance(first, float) and isinstance(last, float) else None


def number_processes(processes: Iterable[AttachedProcess]) -> Iterator[AttachedProcess]:
    """Give processes with the same pid the numbers that their journals have in the tables: both are
    in the order of their starts."""
    places = Counter[int]()
    for each in processes:
        yield replace(each, pid=make_process_id(each.pid, places[each.pid]))
        places[each.pid] += 1


def build_record(path: Path, launch: Launch, t0_s: Second, end_s: Second) -> AuditRecord:
    reports = read_reports(path)
    listens = [f"http://{host}:{port}" for each in reports for host, port in each.listens]
    return AuditRecord(
        started_utc=launch.started_utc,
        t0_s=t0_s,
        ended_s=end_s - t0_s,
        command=launch.command,
        folder=launch.folder or next((each.folder for each in reports), ""),
        url=next(iter(listens), ""),
        processes=tuple(number_processes(each.build_record() for each in reports)),
        phases=(Phase(OWN_TRAFFIC, 0.0, end_s - t0_s, 0),),
    )
