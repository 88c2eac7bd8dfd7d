"""Requests that wait for anyio's thread pool, or for another limiter."""

from dataclasses import dataclass
from typing import ClassVar

from analysis.findings.waits.queue_wait import QueueWait


@dataclass(frozen=True, kw_only=True)
class PoolWait(QueueWait):
    """cause: `pool`; `limiter` for any limit other than the pool's."""

    short: ClassVar[str] = "waits for a thread"
    clause: ClassVar[str] = "requests wait for a thread or a limiter"
    meaning: ClassVar[str] = (
        "requests wait for one of anyio's threads (40 by default), or for another limiter"
    )
    remedy: ClassVar[str] = (
        "make the code that holds the threads faster or asynchronous; more threads help only if "
        "what they call can serve more at once"
    )
    QUEUES: ClassVar[str] = r"^(anyio$|limiter)"
