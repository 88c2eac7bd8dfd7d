"""The tables of a cell, column by column. All times are seconds since the cell's t0."""

import polars as pl

from records.journal import Columns, decode_table

Schema = dict[str, pl.DataType]

SENT: Columns = (
    ("user", "u4"),
    ("request_id", "u8"),
    ("intended_s", "f8"),
    ("started_s", "f8"),
    ("ended_s", "f8"),  # unknown: not answered by the end of the drain
    ("status", "u2"),  # unknown: no answer
    ("error", "text"),
    ("bytes", "u4"),
)
"""A request may be written twice, unfinished and finished."""

REQUESTS: Schema = {
    "cell": pl.String(),
    "process": pl.UInt32(),
    **decode_table(SENT, b"", {}).schema,
}

HANDLERS: Schema = {
    "pid": pl.UInt32(),
    "request_id": pl.UInt64(),  # null: the caller gave none of ours
    "route": pl.String(),
    "arrived_s": pl.Float64(),
    "queued_s": pl.Float64(),
    "started_s": pl.Float64(),
    "ended_s": pl.Float64(),
    "sent_s": pl.Float64(),
    "pool_wait_s": pl.Float64(),
    "thread_id": pl.UInt32(),
    "thread_kind": pl.String(),
    "status": pl.UInt16(),
}

PROBE: Schema = {
    "pid": pl.UInt32(),
    "at_s": pl.Float64(),
    "heartbeat_age_s": pl.Float64(),
    "in_flight": pl.UInt32(),
    "threads_loop": pl.UInt32(),
    "threads_anyio_worker": pl.UInt32(),
    "threads_executor": pl.UInt32(),
    "threads_other": pl.UInt32(),
    "pool_total": pl.Float64(),
    "pool_borrowed": pl.Float64(),
    "pool_waiting": pl.Float64(),
    "rss_bytes": pl.Float64(),
    "cpu_s": pl.Float64(),
    "blocked_route": pl.String(),
    "blocked_frame": pl.String(),
}

MACHINE: Schema = {
    "at_s": pl.Float64(),
    "role": pl.String(),  # server, database, load, upstream, runner, live; machine, stolen: all
    "pid": pl.UInt32(),
    "cpu_s": pl.Float64(),
    "rss_bytes": pl.UInt64(),
    "descriptors": pl.UInt32(),
    "threads": pl.UInt32(),
}

BYSTANDER: Schema = {
    "request_id": pl.UInt64(),
    "intended_s": pl.Float64(),
    "ended_s": pl.Float64(),
    "status": pl.UInt16(),
    "error": pl.String(),
}

UPSTREAM: Schema = {
    "request_id": pl.UInt64(),
    "at_s": pl.Float64(),
    "asked_ms": pl.Float64(),
    "waited_ms": pl.Float64(),
    "status": pl.String(),
}

USED: Columns = (("at_s", "f8"), ("cpu_s", "f8"), ("rss_bytes", "f8"))
"""What a load process has used up to a moment; on another machine nobody else can look."""

LOAD_JOURNAL: dict[str, Columns] = {"r": SENT, "u": USED}


def conform_to_schema(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The schema's columns in its order and types; missing ones null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    )
