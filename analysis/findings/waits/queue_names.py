"""The name of each queue, its cure, and whether the app set its limit."""

import itertools
from dataclasses import dataclass
from typing import Literal

from analysis.findings.evidence import Stack
from analysis.findings.framework import HANDS_OVER
from analysis.findings.places import is_library

QueueKind = Literal["pool", "limiter", "executor"]
BETWEEN = (*HANDS_OVER, "contextlib")
"""Modules between a limit and the code that set it."""
LIMITS_DEPENDENCIES = "fastapi.dependencies."


@dataclass(frozen=True, slots=True)
class QueueName:
    """name: as in "a thread of ...". is_meant: the app set this limit itself. cure: a sentence.
    unit: what it lends."""

    kind: QueueKind
    name: str
    cure: str
    is_meant: bool = False
    unit: str = "thread"


POOL = QueueName(
    "pool",
    "anyio's pool",
    "Make the code that holds the threads faster or asynchronous, or give it its own "
    "CapacityLimiter. More threads (total_tokens) help only if what they call can serve more.",
)
DEFAULT_EXECUTOR = QueueName(
    "executor",
    "asyncio's default executor",
    "Make the code that holds the threads faster, give it its own ThreadPoolExecutor, or set a "
    "larger default with loop.set_default_executor().",
)
ASGIREF = QueueName(
    "executor",
    "asgiref's executor for thread-sensitive code",
    "Call sync_to_async() with thread_sensitive=False if the code is thread-safe, or make it "
    "asynchronous.",
)
PROCESSES = QueueName(
    "limiter",
    "the limiter of anyio.to_process",
    "Its default is the number of cores: more processes would not compute faster. Compute less, or "
    "compute outside the web process.",
    is_meant=True,
    unit="token",
)
RUNS_PROCESSES = "anyio.to_process"
OWN_CURE = "This is the app's own limit: raise it only if what it protects can serve more at once."
LIBRARY_CURE = "Make that work shorter, or do less of it at once."


def name_resource(waits_for: str) -> str:
    """Add an article to the probe's name: "lock", "QueuePool of 10", "the event loop"."""
    if waits_for.startswith(("the ", "a ", "an ")):
        return waits_for
    return f"{'an' if waits_for[0] in 'AEIOUaeiou' else 'a'} {waits_for}"


def find_setter(asker: Stack) -> str | None:
    """Return the library module that requests the limiter's token, from the stack of such a call;
    None if the app's own code does."""
    between = list(itertools.takewhile(lambda each: each.module.startswith(BETWEEN), asker))
    if any(each.module == RUNS_PROCESSES for each in between):
        return RUNS_PROCESSES
    caller = asker[len(between)] if len(between) < len(asker) else None
    return caller.module if caller is not None and is_library(caller.file) else None


def name_queue(queue: str, setter: str | None) -> QueueName:
    """queue: as the probe names it."""
    if queue == "anyio":
        return POOL
    kind, _, name = queue.partition(" ")
    if kind == "asgiref":
        return ASGIREF
    if kind == "executor":
        return name_executor(name) if name else DEFAULT_EXECUTOR
    if setter == RUNS_PROCESSES:
        return PROCESSES
    if setter is None:
        return QueueName("limiter", f"the app's own {queue}", OWN_CURE, True, "token")
    if setter.startswith(LIMITS_DEPENDENCIES):
        return QueueName("limiter", "Depends(max_concurrency=...)", OWN_CURE, True, "slot")
    return QueueName("limiter", f"the limiter of {setter}", LIBRARY_CURE, unit="token")


def name_executor(prefix: str) -> QueueName:
    return QueueName(
        "executor",
        f"the ThreadPoolExecutor {prefix}",
        "Make the code that holds the threads faster, or raise max_workers if what it calls can "
        "serve more at once.",
    )
