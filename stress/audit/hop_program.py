"""Prints the milliseconds to move an empty call to a thread and await its result. Runs in the
service's interpreter (Python 3.9 or newer) without any of this project's modules."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from statistics import median

SPAN_S, WARM_UP, MOST_CALLS = 0.4, 20, 2000
HandOver = Callable[[Callable[[], None]], Awaitable[None]]


def do_nothing() -> None: ...


async def hand_to_executor(call: Callable[[], None]) -> None:
    await asyncio.get_running_loop().run_in_executor(None, call)


def find_hand_over() -> HandOver:
    """Return anyio's run_sync if the service has anyio, as FastAPI does."""
    try:
        run_sync: HandOver = import_module("anyio.to_thread").run_sync
    except ImportError:
        return hand_to_executor
    return run_sync


async def measure_hops() -> float:
    hand_over = find_hand_over()
    for _ in range(WARM_UP):
        await hand_over(do_nothing)
    took_s: list[float] = []
    end_s = time.monotonic() + SPAN_S
    while time.monotonic() < end_s and len(took_s) < MOST_CALLS:
        began_s = time.perf_counter()
        await hand_over(do_nothing)
        took_s.append(time.perf_counter() - began_s)
    return 1000 * median(took_s)


if __name__ == "__main__":
    print(asyncio.run(measure_hops()))
