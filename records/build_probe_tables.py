"""Builds the probe's tables from the journals of a cell's processes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from records.audit import JournalRecord
from records.build_tables import join_parts, replace_unknown, shift_times
from records.journal import Journal
from records.rows import (
    BLOCK_STACKS,
    BLOCKS,
    HANDLERS,
    HANDOVERS,
    LAYERS,
    MADE,
    PROBE,
    THREAD_CALLS,
    THREAD_STACKS,
    Schema,
    conform_to_schema,
)
from records.rundir import CellDir


def build_handlers_table(journals: Sequence[Journal], t0_s: float, end_s: float) -> pl.DataFrame:
    """Build one row per request that reached a worker before the load ended: its last snapshot
    in the journal. (A blocked worker keeps serving requests of users who are gone.)"""
    parts = [
        journal.tables["h"]
        .sort("sent_s", nulls_last=False, maintain_order=True)
        .unique("visit", keep="last", maintain_order=True)
        .with_columns(pid=pl.lit(journal.about["pid"]))
        for journal in journals
    ]
    rows = (
        join_parts([conform_to_schema(each, HANDLERS) for each in parts], HANDLERS)
        .filter(pl.col("arrived_s").is_between(t0_s, end_s))
        .sort("arrived_s")
        .with_columns(map(replace_unknown, ("request_id", "thread_id", "status")))
    )
    return conform_to_schema(shift_times(rows, t0_s), HANDLERS)


def build_probe_table(journals: Sequence[Journal], t0_s: float, end_s: float) -> pl.DataFrame:
    parts = [
        journal.tables["s"].with_columns(pid=pl.lit(journal.about["pid"])) for journal in journals
    ]
    rows = join_parts(parts, PROBE).filter(pl.col("at_s").is_between(t0_s, end_s)).sort("at_s")
    return conform_to_schema(shift_times(rows, t0_s), PROBE)


def build_blocks_table(journals: Sequence[Journal], t0_s: float, end_s: float) -> pl.DataFrame:
    """Build one row per block that overlaps t0_s to end_s. If the route was unknown when the probe
    wrote the row, take it from the request."""
    parts = []
    for journal in journals:
        if "b" not in journal.tables:  # written by an older probe
            continue
        taken = journal.tables["h"].select("visit", taken="route")
        rows = (
            journal.tables["b"]
            .unique("stretch", keep="last", maintain_order=True)
            .join(taken.unique("visit", keep="last"), "visit", "left", maintain_order="left")
            .with_columns(
                pl.coalesce("taken", "route").alias("route"),
                pl.col("timed") != 0,
                pid=pl.lit(journal.about["pid"]),
            )
        )
        parts.append(conform_to_schema(rows, BLOCKS))
    unknown = ("visit", "holder_thread", "holder_visit")
    rows = (
        join_parts(parts, BLOCKS)
        .filter(pl.col("began_s") < end_s, ~(pl.col("ended_s") < t0_s).fill_null(value=False))
        .sort("began_s")
        .with_columns(map(replace_unknown, unknown))
    )
    return shift_times(rows, t0_s)


def build_block_stacks_table(
    journals: Sequence[Journal], t0_s: float, end_s: float
) -> pl.DataFrame:
    parts = [
        journal.tables["c"].with_columns(
            pl.col("in_gc") != 0, replace_unknown("visit"), pid=pl.lit(journal.about["pid"])
        )
        for journal in journals
        if "c" in journal.tables
    ]
    rows = join_parts([conform_to_schema(each, BLOCK_STACKS) for each in parts], BLOCK_STACKS)
    return shift_times(rows.filter(pl.col("at_s").is_between(t0_s, end_s)).sort("at_s"), t0_s)


@dataclass(frozen=True, slots=True)
class JournalTable:
    """How the journal rows of one letter become a table. moment: the time column that decides
    whether a row belongs to the cell. key: of rows with the same key, the last one counts.
    unknown: columns in which 0 means unknown. flags: boolean columns."""

    letter: str
    schema: Schema
    moment: str
    key: str | None = None
    unknown: tuple[str, ...] = ("visit",)
    flags: tuple[str, ...] = ()

    def build(self, journals: Sequence[Journal], t0_s: float, end_s: float) -> pl.DataFrame:
        """Build the table. Journals of an older probe may lack it."""
        parts = [self.build_part(each) for each in journals if self.letter in each.tables]
        rows = join_parts(parts, self.schema).filter(pl.col(self.moment).is_between(t0_s, end_s))
        return shift_times(rows.sort(self.moment), t0_s)

    def build_part(self, journal: Journal) -> pl.DataFrame:
        rows = journal.tables[self.letter]
        if self.key is not None:
            rows = rows.unique(self.key, keep="last", maintain_order=True)
        if "route" in self.schema and "route" not in rows.columns:
            taken = journal.tables["h"].select("visit", "route")
            taken = taken.unique("visit", keep="last", maintain_order=True)
            rows = rows.join(taken, "visit", "left", maintain_order="left")
        rows = rows.with_columns(
            *map(replace_unknown, self.unknown),
            *(pl.col(name) != 0 for name in self.flags),
            pid=pl.lit(journal.about["pid"]),
        )
        return conform_to_schema(rows, self.schema)


HANDOVERS_TABLE = JournalTable(
    "w", HANDOVERS, "asked_s", "handover", ("visit", "thread_id"), ("failed",)
)
THREAD_STACKS_TABLE = JournalTable(
    "t", THREAD_STACKS, "at_s", unknown=("visit", "thread_id", "handover")
)
THREAD_CALLS_TABLE = JournalTable("k", THREAD_CALLS, "began_s")
MADE_TABLE = JournalTable("m", MADE, "at_s")
LAYERS_TABLE = JournalTable("l", LAYERS, "entered_s")


BuildTable = Callable[[Sequence[Journal], float, float], pl.DataFrame]
PROBE_TABLES: Mapping[str, BuildTable] = {
    "handlers": build_handlers_table,
    "probe": build_probe_table,
    "blocks": build_blocks_table,
    "block_stacks": build_block_stacks_table,
    "handovers": HANDOVERS_TABLE.build,
    "thread_calls": THREAD_CALLS_TABLE.build,
    "thread_stacks": THREAD_STACKS_TABLE.build,
    "made": MADE_TABLE.build,
    "layers": LAYERS_TABLE.build,
}
"""Maps a table's name to its builder, which takes the journals, t0 and the end."""
LETTERS = dict(zip(PROBE_TABLES, "hsbcwktml", strict=True))
"""Maps a table's name to its letter in a journal, whose header names the tables it records."""
PATH_COLUMNS: Mapping[str, Sequence[tuple[str, str]]] = {
    "handlers": (("endpoint", ""),),
    "blocks": (("holder_stack", '"'),),
    "block_stacks": (("stack", '"'),),
}
"""Maps a table to its columns with file names, each with the character before the name."""


def save_probe_tables(
    cell: CellDir, journals: Sequence[Journal], t0_s: float, end_s: float
) -> tuple[JournalRecord, ...]:
    """Save the tables, without those that no journal records: an empty table would say that nothing
    happened. Raises OSError if the disk is full."""
    found = tuple(describe_journal(each, t0_s) for each in journals)
    for name, build in PROBE_TABLES.items():
        if found and all(name in each.unrecorded for each in found):
            (cell.path / f"{name}.parquet").unlink(missing_ok=True)
        else:
            cell.save_table(name, build(journals, t0_s, end_s))
    return found


def describe_journal(journal: Journal, t0_s: float) -> JournalRecord:
    first_s = journal.tables["s"]["at_s"].min()
    is_cut = journal.about.get("removed", 0) > 0
    return JournalRecord(
        pid=journal.about["pid"],
        unrecorded=tuple(name for name, at in LETTERS.items() if at not in journal.tables),
        is_closed=journal.about.get("closed") == 1,
        began_s=first_s - t0_s if is_cut and isinstance(first_s, float) else None,
    )
