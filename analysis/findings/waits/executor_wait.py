"""Requests that wait for a thread of an executor: asyncio's, the app's own, or asgiref's."""

from dataclasses import dataclass
from typing import ClassVar

from analysis.findings.waits.blamed_loops import EXECUTORS
from analysis.findings.waits.queue_wait import QueueWait


@dataclass(frozen=True, kw_only=True)
class ExecutorWait(QueueWait):
    """cause: `executor`."""

    short: ClassVar[str] = "waits for an executor"
    clause: ClassVar[str] = "requests wait for a thread of an executor"
    meaning: ClassVar[str] = (
        "requests wait for asyncio's default executor, your own executor, or the one thread of "
        "asgiref (Django's `sync_to_async`)"
    )
    remedy: ClassVar[str] = "give slow work its own executor"
    QUEUES: ClassVar[str] = EXECUTORS
