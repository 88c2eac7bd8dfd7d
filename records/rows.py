"""The tables of a cell, column by column. All times are seconds since the cell's t0."""

from collections.abc import Mapping

import polars as pl

from records.journal import Columns, decode_table

Schema = dict[str, pl.DataType]

SENT: Columns = (
    ("user", "u4"),
    ("request_id", "u8"),
    ("intended_s", "f8"),
    ("started_s", "f8"),
    ("ended_s", "f8"),  # unknown: unanswered at the end of the drain
    ("status", "u2"),  # unknown: no response
    ("error", "text"),
    ("bytes", "u8"),
)
"""A request may have two rows: one unfinished, one finished."""

U2, U4, U8, F8, TEXT = pl.UInt16(), pl.UInt32(), pl.UInt64(), pl.Float64(), pl.String()
MOMENTS = (
    "intended_s", "arrived_s", "queued_s", "started_s", "ended_s", "sent_s", "returned_s",
    "began_s", "at_s", "asked_s", "granted_s", "entered_s", "inner_s", "answered_s", "passed_s",
    "body_s",
)  # fmt: skip
"""Columns with a moment; all other columns in seconds are durations."""
SPANS = {
    **dict.fromkeys(("requests", "asked"), ("started_s", "ended_s")),
    "handlers": ("arrived_s", "returned_s"),
    **dict.fromkeys(("blocks", "handovers", "thread_calls"), ("began_s", "ended_s")),
}
"""By table, the columns of which the first is never later than the second."""

REQUESTS: Schema = {"cell": TEXT, "process": U4, **decode_table(SENT, b"", {}).schema}

HANDLERS: Schema = {
    "pid": U4,
    "visit": U4,  # the request's number in its process
    "request_id": U8,  # null: the caller sent no id of this study
    "route": TEXT,
    **dict.fromkeys(("arrived_s", "queued_s", "started_s", "ended_s", "sent_s"), F8),
    "pool_wait_s": F8,
    "thread_id": U4,
    "thread_kind": TEXT,
    "status": U2,
    "endpoint": TEXT,  # its code as "file:first_line qualname"
    "method": TEXT,
    "returned_s": F8,  # the app returned
    "protocol": TEXT,  # http, websocket
}

PROBE: Schema = {
    "pid": U4,
    "at_s": F8,
    "heartbeat_age_s": F8,
    "in_flight": U4,
    **dict.fromkeys(("threads_loop", "threads_anyio_worker"), U4),
    **dict.fromkeys(("threads_executor", "threads_other"), U4),
    **dict.fromkeys(("pool_total", "pool_borrowed", "pool_waiting"), F8),
    "rss_bytes": F8,
    "cpu_s": F8,
    **dict.fromkeys(("blocked_route", "blocked_frame"), TEXT),
}

BLOCKS: Schema = {
    "pid": U4,
    "stretch": U4,
    **dict.fromkeys(("began_s", "ended_s"), F8),  # null end: still lasting at the last sample
    "timed": pl.Boolean(),  # exact times; otherwise from heartbeat and samples, within 10 ms
    "visit": U4,
    "route": TEXT,
    **dict.fromkeys(("cpu_s", "run_delay_s", "gc_s", "unseen_s", "paused_s"), F8),
    "holder_thread": U4,
    "holder_cpu_s": F8,
    "holder_visit": U4,
    **dict.fromkeys(("holder_route", "holder_stack"), TEXT),
}
"""One row per block: one handle kept the event loop's thread for at least 20 ms."""

BLOCK_STACKS: Schema = {
    "pid": U4,
    "stretch": U4,
    "at_s": F8,
    "visit": U4,
    "stack": TEXT,
    "in_gc": pl.Boolean(),
}
"""Samples of the event loop's stack during blocks. A stack is a JSON list of frames, innermost
first: [module, file, line, function, first line of the function]."""

HANDOVERS: Schema = {
    "pid": U4,
    "handover": U4,  # its number in its process
    "visit": U4,  # null: not from a request
    "route": TEXT,
    "queue": TEXT,  # anyio's pool: "anyio"; the app's own limiter: "limiter N"; else the executor:
    # "executor" (asyncio's default one), "executor PREFIX", "asgiref"
    "capacity": F8,  # tokens or threads of the pool at the time of the call
    "asked_s": F8,
    "queued_s": F8,  # null: a token was free
    "granted_s": F8,  # when it got the token; the loop may continue later; null: not yet, or never
    **dict.fromkeys(("began_s", "ended_s"), F8),  # of the work, on the thread; without work: null,
    # and the token's release
    "thread_id": U4,
    "cpu_s": F8,  # of the thread during the call
    "work": TEXT,  # what the thread runs, as "file:first_line qualname"; the name of a C function
    "asker": TEXT,  # the calling stack, as in BLOCK_STACKS
    "failed": pl.Boolean(),  # it raised an error, or was cancelled while it waited
}
"""One row per call moved to a thread pool. The probe writes a row while the call waits or runs, and
again later; the last row counts."""

THREAD_CALLS: Schema = {
    "pid": U4,
    "visit": U4,
    "route": TEXT,
    "thread_id": U4,
    "thread_kind": TEXT,
    **dict.fromkeys(("asked_s", "began_s", "ended_s"), F8),
}
"""One row per call that a request moved to a thread pool, except its endpoint, written when it
ends; at most the first eight per request. An audit has HANDOVERS instead."""

THREAD_STACKS: Schema = {
    "pid": U4,
    "at_s": F8,
    "thread_id": U4,
    "handover": U4,  # the call that it runs; null: none
    "visit": U4,
    "route": TEXT,
    "stack": TEXT,
    "waits_for": TEXT,  # a lock or pool in the process, with its size: "QueuePool of 10"
}
"""Samples of all pool threads, taken while a pool has no free token or a request is old."""

MADE: Schema = {
    "pid": U4,
    "visit": U4,
    "route": TEXT,
    "at_s": F8,
    "kind": TEXT,  # "TLS context", "httpx.AsyncClient"; "thread", "thread end"; "background task"
    "took_s": F8,  # time to create it; the lifetime of a thread that ended
    "cpu_s": F8,
    "stack": TEXT,
}
"""Expensive or lasting objects that a request created. A thread has a row when it starts and one
when it ends; the stack of an executor's thread is where the executor was created. A background task
has a row when it starts; its stack is the code of its function."""

LAYERS: Schema = {
    "pid": U4,
    "visit": U4,
    "route": TEXT,
    "layer": TEXT,  # the middleware as "file:first_line qualname"; its name, if it has no code
    "kind": TEXT,  # BaseHTTPMiddleware, ASGI; the innermost: endpoint, or mount
    "depth": U2,  # 1 is the outermost
    "entered_s": F8,
    "inner_s": F8,  # it called the next layer; null: it responded itself
    "answered_s": F8,  # the start of the response arrived from inside
    "passed_s": F8,  # it passed the start of the response on
    "start_wait_s": F8,  # how long the outer layers took to accept the start
    "body_s": F8,  # it passed the first part of the body on
    "sent_s": F8,  # it passed the last part of the response on
    "returned_s": F8,
    "client_s": F8,  # it waited for the request body before it called the next layer
    "cpu_s": F8,  # of this layer alone, if no other request was in the process; else null
}
"""One row per layer around an endpoint, and one for the endpoint itself."""

PROBE_SCHEMAS: Mapping[str, Schema] = {
    "handlers": HANDLERS,
    "probe": PROBE,
    "blocks": BLOCKS,
    "block_stacks": BLOCK_STACKS,
    "handovers": HANDOVERS,
    "thread_calls": THREAD_CALLS,
    "thread_stacks": THREAD_STACKS,
    "made": MADE,
    "layers": LAYERS,
}
"""Maps a table's name to its schema."""

MACHINE: Schema = {
    "at_s": F8,
    # server, database, load, upstream, runner, live; all processes: machine, stolen, throttled,
    # suspended
    "role": TEXT,
    "pid": U4,
    "cpu_s": F8,
    "rss_bytes": U8,
    "descriptors": U4,
    "threads": U4,
}

BYSTANDER: Schema = {
    "request_id": U8,
    "intended_s": F8,
    "ended_s": F8,
    "status": U2,
    "error": TEXT,
}

UPSTREAM: Schema = {
    "request_id": U8,
    **dict.fromkeys(("at_s", "asked_ms", "waited_ms"), F8),
    "status": TEXT,
}

USED: Columns = (("at_s", "f8"), ("cpu_s", "f8"), ("rss_bytes", "f8"))
"""Resources a load process has used so far; only the process itself can read them remotely."""

LOAD_JOURNAL: dict[str, Columns] = {"r": SENT, "u": USED}


def conform_to_schema(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return the schema's columns in its order and types; missing columns are null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    )
