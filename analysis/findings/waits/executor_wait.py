"""Requests that wait for a thread of an executor: asyncio's default one, the app's own, or the one
thread of asgiref."""

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
        "requests wait for asyncio's default executor, an executor of your own, or asgiref's one "
        "thread"
    )
    remedy: ClassVar[str] = "give slow work an executor of its own"
    QUEUES: ClassVar[str] = EXECUTORS
