"""Offloaded calls, as the probe records them."""

import json
from collections.abc import Sequence
from dataclasses import replace

from analysis.findings.evidence import AuditEvidence
from records.rows import HANDOVERS
from tests.unit.audit_samples import (
    FOLDER,
    PID,
    RUN,
    AuditBuilder,
    Entry,
    Row,
    library,
    make_table,
)

TO_THREAD: Sequence[Entry] = (
    library("anyio.to_thread", "run_sync"),
    library("starlette.concurrency", "run_in_threadpool"),
)
APP: Sequence[Entry] = (library("fastapi.routing", "app"), *RUN)
ENDPOINT = (*TO_THREAD, library("fastapi.routing", "run_endpoint_function"), *APP)
DEPENDENCY = (*TO_THREAD, library("fastapi.dependencies.utils", "solve_dependencies"), *APP)
TEARDOWN = (
    *TO_THREAD,
    library("fastapi.concurrency", "contextmanager_in_threadpool"),
    library("contextlib", "__aexit__"),
    *APP,
)
BACKGROUND = (*TO_THREAD, library("starlette.background", "__call__"), *APP)
CALLBACK = (library("asyncio.threads", "to_thread"), *RUN)
CHUNK = (
    TO_THREAD[0],
    library("starlette.concurrency", "iterate_in_threadpool"),
    library("starlette.responses", "stream_response"),
    *APP,
)
LOAD = f"{FOLDER}/main.py:10 load"


def make_handover(**columns: object) -> dict[str, object]:
    """By default an endpoint that got a token at once, at second 1, and worked for a second."""
    return {
        "pid": PID, "handover": 1, "visit": 1, "route": "/a", "queue": "anyio", "capacity": 40.0,
        "asked_s": 1.0, "queued_s": None, "granted_s": 1.0, "began_s": 1.0, "ended_s": 2.0,
        "thread_id": 9, "cpu_s": 0.0, "work": LOAD, "asker": json.dumps(ENDPOINT), "failed": False,
    } | columns  # fmt: skip


def build_evidence(rows: Sequence[Row], **more: object) -> AuditEvidence:
    numbered = [{**row, "handover": place} for place, row in enumerate(rows, start=1)]
    evidence = replace(AuditBuilder().build(), handovers=make_table(numbered, HANDOVERS))
    return replace(evidence, **more)  # type: ignore[arg-type]


def wait(seconds: float, visit: int = 1, at_s: float = 1.0, **columns: object) -> Row:
    """A dependency of /quick that works for 1 ms."""
    got_s = at_s + seconds
    return make_handover(
        **{
            "visit": visit, "route": "/quick", "work": f"{FOLDER}/main.py:20 find_user",
            "asker": json.dumps(DEPENDENCY), "capacity": 4.0, "asked_s": at_s, "queued_s": at_s,
            "granted_s": got_s, "began_s": got_s, "ended_s": got_s + 0.001, **columns,
        }
    )  # fmt: skip
