"""Builds a cell's tables from the files that its processes wrote."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl

from records.clocks import ClockModel
from records.journal import Journal, JournalError, read_journal
from records.process_ids import MOST_PER_PID, make_process_id
from records.rows import MACHINE, MOMENTS, REQUESTS, UPSTREAM, Schema, conform_to_schema


def read_journals(paths: Sequence[Path]) -> tuple[list[Journal], tuple[str, ...]]:
    """Return the journals, and the names of those that are unreadable (their process was killed
    before its first write, or they are damaged) or whose process has dropped rows. Parts of a
    journal are one; its `about` has the number of those that its process `removed`, the oldest."""
    journals: dict[str, list[Journal]] = {}
    lost = []
    for path in paths:
        whole = "-".join(path.stem.split("-")[:3])  # without the number of a part
        with suppress(FileNotFoundError):
            try:
                journal = read_journal(path)
                journals.setdefault(whole, []).append(journal)
                if journal.about.get("dropped"):
                    lost.append(path.name)
            except JournalError:
                lost.append(path.name)
    lost += [name for each in journals for name in list_gaps(each, journals[each])]
    joined = {whole: join_journal_parts(each) for whole, each in journals.items()}
    known, surplus = separate_processes(joined)
    return known, tuple(dict.fromkeys((*lost, *surplus)))


def separate_processes(
    journals: Mapping[str, Journal],
) -> tuple[list[Journal], tuple[str, ...]]:
    """Give each journal a process number of its own, since rows are counted per process. journals:
    by file name, without its ending. Return the files that are too many as well."""
    known: list[Journal] = []
    surplus, counts = [], Counter[int]()
    for whole, journal in journals.items():
        pid = journal.about.get("pid")
        if pid is None:  # of a load process
            known.append(journal)
            continue
        place = counts[pid]
        counts[pid] += 1
        if place < MOST_PER_PID:
            about = {**journal.about, "pid": make_process_id(pid, place)}
            known.append(Journal(about, journal.tables))
        else:
            surplus.append(f"{whole}.journal")
    return known, tuple(surplus)


def list_gaps(name: str, parts: Sequence[Journal]) -> list[str]:
    """List the parts that are missing between others."""
    numbers = {each.about.get("part", 1) for each in parts}
    between = range(min(numbers), max(numbers))
    return [f"{name}-{number}.journal" for number in between if number not in numbers]


def join_journal_parts(parts: Sequence[Journal]) -> Journal:
    ordered = sorted(parts, key=lambda each: each.about.get("part", 1))
    last = ordered[-1]
    tables = {
        letter: pl.concat([each.tables[letter] for each in ordered]) for letter in last.tables
    }
    removed = ordered[0].about.get("part", 1) - 1
    return Journal({**last.about, "removed": removed}, tables)


def convert_clock(journal: Journal, table: str, clocks: Mapping[int, ClockModel]) -> pl.DataFrame:
    """Return a load process's table with its process number, in this host's time."""
    process = journal.about.get("process", 0)
    rows = journal.tables[table].with_columns(process=pl.lit(process))
    clock = clocks.get(process)
    if clock is None:
        return rows
    return rows.with_columns(
        pl.col(name)
        - clock.first_offset_s
        - (pl.col(name) - clock.first_at_s) * clock.compute_drift()
        for name in rows.columns
        if name in MOMENTS
    )


def build_requests_table(
    cell: str,
    journals: Sequence[Journal],
    t0_s: float,
    clocks: Mapping[int, ClockModel] | None = None,
) -> pl.DataFrame:
    """Build one row per request. A finished row replaces the unfinished row of the same request.

    clocks: of load processes on other machines.
    """
    parts = [convert_clock(journal, "r", clocks or {}) for journal in journals]
    rows = (
        join_parts(parts, REQUESTS)
        .sort("ended_s", nulls_last=False, maintain_order=True)
        .unique("request_id", keep="last", maintain_order=True)
        .sort("started_s", "request_id")
        .with_columns(cell=pl.lit(cell), status=replace_unknown("status"))
    )
    return conform_to_schema(shift_times(rows, t0_s), REQUESTS)


def build_usage_table(
    journals: Sequence[Journal], t0_s: float, clocks: Mapping[int, ClockModel]
) -> pl.DataFrame:
    """Build machine table rows from the load processes' reports; pid is the process number."""
    parts = [convert_clock(journal, "u", clocks) for journal in journals]
    rows = join_parts(parts, {**MACHINE, "process": pl.UInt32()})
    rows = rows.with_columns(role=pl.lit("load"), pid=pl.col("process"))
    return conform_to_schema(shift_times(rows, t0_s), MACHINE)


def build_observed_table(
    rows: Sequence[tuple[object, ...]], schema: Schema, t0_s: float
) -> pl.DataFrame:
    """Build a table from the runner's own samples: resources, or background requests."""
    return shift_times(pl.DataFrame(rows, schema=schema, orient="row"), t0_s)


def build_upstream_table(log: Path, t0_s: float, end_s: float) -> pl.DataFrame:
    """Read the upstream's CSV. Drop a torn last line, which SIGKILL leaves."""
    whole, _, _ = (log.read_bytes() if log.exists() else b"").rpartition(b"\n")
    if not whole:
        return join_parts((), UPSTREAM)
    text = {name: pl.String() for name in UPSTREAM}
    # The Go upstream can read the clock only on Linux; elsewhere only the ids separate the cells.
    in_cell = pl.col("at_s").is_null() | pl.col("at_s").is_between(t0_s, end_s)
    rows = pl.read_csv(whole + b"\n", schema=text).with_columns(
        pl.col("request_id").str.to_integer(base=16, dtype=pl.UInt64, strict=False),
        pl.col("at_s", "asked_ms", "waited_ms").cast(pl.Float64),
    )
    return conform_to_schema(shift_times(rows.filter(in_cell), t0_s), UPSTREAM)


def join_parts(parts: Sequence[pl.DataFrame], schema: Schema) -> pl.DataFrame:
    """Concatenate the parts. Return an empty table with the schema if there are none."""
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)


def shift_times(frame: pl.DataFrame, t0_s: float) -> pl.DataFrame:
    return frame.with_columns(pl.col(name) - t0_s for name in frame.columns if name in MOMENTS)


def replace_unknown(column: str) -> pl.Expr:
    """Replace 0, which means unknown in packed rows, with null."""
    return pl.when(pl.col(column) != 0).then(pl.col(column)).alias(column)
