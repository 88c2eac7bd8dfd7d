"""Turns what the processes left behind into the cell's tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from records.clocks import ClockModel
from records.journal import Journal, JournalError, decode_journal
from records.rows import MACHINE, MOMENTS, REQUESTS, UPSTREAM, Schema, conform_to_schema


def read_journals(paths: Sequence[Path]) -> tuple[list[Journal], tuple[str, ...]]:
    """The journals, and the names of those that could not be read: their process was killed
    before its first write."""
    journals, lost = [], []
    for path in paths:
        try:
            journals.append(decode_journal(path.read_bytes(), str(path)))
        except JournalError:
            lost.append(path.name)
    return journals, tuple(lost)


def convert_clock(journal: Journal, table: str, clocks: Mapping[int, ClockModel]) -> pl.DataFrame:
    """The table of a load process, with its number, and its times by this host's clock."""
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
    """One row a request. One that was written unfinished and finished keeps the latter.

    `clocks` are those of load processes on other machines.
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
    """What load processes say of themselves, as rows of the machine table; pid: their number."""
    parts = [convert_clock(journal, "u", clocks) for journal in journals]
    rows = join_parts(parts, {**MACHINE, "process": pl.UInt32()})
    rows = rows.with_columns(role=pl.lit("load"), pid=pl.col("process"))
    return conform_to_schema(shift_times(rows, t0_s), MACHINE)


def build_observed_table(
    rows: Sequence[tuple[object, ...]], schema: Schema, t0_s: float
) -> pl.DataFrame:
    """Of what the runner itself has seen: resources, and its background requests."""
    return shift_times(pl.DataFrame(rows, schema=schema, orient="row"), t0_s)


def build_upstream_table(log: Path, t0_s: float, end_s: float) -> pl.DataFrame:
    """The upstream's CSV. A half last line, which SIGKILL leaves, is dropped."""
    whole, _, _ = (log.read_bytes() if log.exists() else b"").rpartition(b"\n")
    if not whole:
        return join_parts((), UPSTREAM)
    text = {name: pl.String() for name in UPSTREAM}
    # the Go upstream knows the clock on Linux only; elsewhere the ids alone tell the cells apart
    in_cell = pl.col("at_s").is_null() | pl.col("at_s").is_between(t0_s, end_s)
    rows = pl.read_csv(whole + b"\n", schema=text).with_columns(
        pl.col("request_id").str.to_integer(base=16, dtype=pl.UInt64, strict=False),
        pl.col("at_s", "asked_ms", "waited_ms").cast(pl.Float64),
    )
    return conform_to_schema(shift_times(rows.filter(in_cell), t0_s), UPSTREAM)


def join_parts(parts: Sequence[pl.DataFrame], schema: Schema) -> pl.DataFrame:
    """One below the other; the schema's empty table where there are none."""
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)


def shift_times(frame: pl.DataFrame, t0_s: float) -> pl.DataFrame:
    return frame.with_columns(pl.col(name) - t0_s for name in frame.columns if name in MOMENTS)


def replace_unknown(column: str) -> pl.Expr:
    """0 stands for unknown in packed rows; here it is null."""
    return pl.when(pl.col(column) != 0).then(pl.col(column)).alias(column)
