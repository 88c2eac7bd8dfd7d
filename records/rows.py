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
    ("ended_s", "f8"),  # unknown: not answered by the end of the drain
    ("status", "u2"),  # unknown: no answer
    ("error", "text"),
    ("bytes", "u4"),
)
"""A request may be written twice, unfinished and finished."""

U2, U4, U8, F8, TEXT = pl.UInt16(), pl.UInt32(), pl.UInt64(), pl.Float64(), pl.String()
MOMENTS = (
    "intended_s", "arrived_s", "queued_s", "started_s", "ended_s", "sent_s", "returned_s",
    "began_s", "at_s", "asked_s", "granted_s", "entered_s", "inner_s", "answered_s", "passed_s",
    "body_s",
)  # fmt: skip
"""The columns that tell when; all others in seconds tell how long."""

REQUESTS: Schema = {"cell": TEXT, "process": U4, **decode_table(SENT, b"", {}).schema}

HANDLERS: Schema = {
    "pid": U4,
    "visit": U4,  # the request's number in its process
    "request_id": U8,  # null: the caller gave none of ours
    "route": TEXT,
    **dict.fromkeys(("arrived_s", "queued_s", "started_s", "ended_s", "sent_s"), F8),
    "pool_wait_s": F8,
    "thread_id": U4,
    "thread_kind": TEXT,
    "status": U2,
    "endpoint": TEXT,  # "file:first_line qualname" of its code
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
    **dict.fromkeys(("began_s", "ended_s"), F8),  # no end: it lasted when the process was last seen
    "timed": pl.Boolean(),  # its own times; otherwise from heartbeat and samples, within 10 ms
    "visit": U4,
    "route": TEXT,
    **dict.fromkeys(("cpu_s", "run_delay_s", "gc_s", "unseen_s", "paused_s"), F8),
    "holder_thread": U4,
    "holder_cpu_s": F8,
    "holder_visit": U4,
    **dict.fromkeys(("holder_route", "holder_stack"), TEXT),
}
"""One row a stretch in which one handle had the thread of the event loop for 20 ms or more."""

BLOCK_STACKS: Schema = {
    "pid": U4,
    "stretch": U4,
    "at_s": F8,
    "visit": U4,
    "stack": TEXT,
    "in_gc": pl.Boolean(),
}
"""Samples of the thread's stack within the stretches. A stack is a JSON list of frames, innermost
first: [module, file, line, function, first line of the function]."""

HANDOVERS: Schema = {
    "pid": U4,
    "handover": U4,  # its number in its process
    "visit": U4,  # null: no request's
    "route": TEXT,
    "queue": TEXT,  # anyio's pool: "anyio"; a limiter of the app's: "limiter N"; else the executor:
    # "executor" (asyncio's default one), "executor PREFIX", "asgiref"
    "capacity": F8,  # tokens or threads of the queue when it was asked
    "asked_s": F8,
    "queued_s": F8,  # null: a token was free at once
    "granted_s": F8,  # the token was given, the loop may go on later; null: not yet, or never
    **dict.fromkeys(("began_s", "ended_s"), F8),  # of the work, on the thread; without work: none,
    # and the token's release
    "thread_id": U4,
    "cpu_s": F8,  # of the thread meanwhile
    "work": TEXT,  # "file:first_line qualname" of what the thread runs; a C function's name
    "asker": TEXT,  # the stack that asked, as in BLOCK_STACKS
    "failed": pl.Boolean(),  # it raised an error, or was given up while it waited
}
"""One row a call that was handed to a pool of threads. A row is written while the call waits or
runs, and again later: the last one counts."""

THREAD_CALLS: Schema = {
    "pid": U4,
    "visit": U4,
    "route": TEXT,
    "thread_id": U4,
    "thread_kind": TEXT,
    **dict.fromkeys(("asked_s", "began_s", "ended_s"), F8),
}
"""One row a call that a request handed to a thread of a pool, but for its endpoint, written when it
has ended; of one request the first eight at most. An audit has HANDOVERS instead."""

THREAD_STACKS: Schema = {
    "pid": U4,
    "at_s": F8,
    "thread_id": U4,
    "handover": U4,  # that it works for; null: none
    "visit": U4,
    "route": TEXT,
    "stack": TEXT,
    "waits_for": TEXT,  # a lock or pool of the process, with its size: "QueuePool of 10"
}
"""Samples of all threads of the pools, while no token of a queue is free, or a request is old."""

MADE: Schema = {
    "pid": U4,
    "visit": U4,
    "route": TEXT,
    "at_s": F8,
    "kind": TEXT,  # "TLS context", "httpx.AsyncClient"; "thread", "thread end"; "background task"
    "took_s": F8,  # to make it; what a thread that has ended lived for
    "cpu_s": F8,
    "stack": TEXT,
}
"""What takes much CPU to make, or stays, and was made within a request. A thread has a row when it
starts and one when it has ended; the stack of an executor's thread is the one that made the
executor. A background task has a row when it begins; its stack is the code of its function."""

LAYERS: Schema = {
    "pid": U4,
    "visit": U4,
    "route": TEXT,
    "layer": TEXT,  # "file:first_line qualname" of the middleware; its name, if it has no code
    "kind": TEXT,  # BaseHTTPMiddleware, ASGI; inside of all layers: endpoint, or mount
    "depth": U2,  # 1 is the outermost
    "entered_s": F8,
    "inner_s": F8,  # it called the next layer; null: it answered itself
    "answered_s": F8,  # the start of the answer came from within
    "passed_s": F8,  # it handed the start of the answer on
    "start_wait_s": F8,  # what is outside of it took so long to take the start of the answer
    "body_s": F8,  # it handed the first part of the body on
    "sent_s": F8,  # it handed the last part of the answer on
    "returned_s": F8,
    "client_s": F8,  # it waited for the request's body before it called the next layer
    "cpu_s": F8,  # the layer's own, where the request was alone in the process; else null
}
"""One row a layer around an endpoint, and the endpoint itself."""

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
"""By the table's name."""

MACHINE: Schema = {
    "at_s": F8,
    # server, database, load, upstream, runner, live; of all processes: machine, stolen, throttled,
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
"""What a load process has used up to a moment; on another machine nobody else can look."""

LOAD_JOURNAL: dict[str, Columns] = {"r": SENT, "u": USED}


def conform_to_schema(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The schema's columns in its order and types; missing ones null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in schema.items()
    )
