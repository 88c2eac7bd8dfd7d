"""Requests that wait for anyio's pool of threads, or for another limiter."""

from dataclasses import dataclass
from typing import ClassVar

from analysis.findings.waits.queue_wait import QueueWait


@dataclass(frozen=True, kw_only=True)
class PoolWait(QueueWait):
    """cause: `pool`; `limiter` where the limit is another than that of the pool."""

    short: ClassVar[str] = "waits for a thread"
    clause: ClassVar[str] = "requests wait for a thread or a limiter"
    QUEUES: ClassVar[str] = r"^(anyio$|limiter)"
