"""Reads offloaded calls from a journal; and calls that stay in their thread until released."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace

import anyio.to_thread

from tests.probe.support import Calls, observe, read_table

MOMENTS = ("asked_s", "queued_s", "granted_s", "began_s", "ended_s")


def record(app: object, folder: Path, calls: Calls) -> list[SimpleNamespace]:
    """The last row of each offloaded call, in the order of their numbers."""
    observe(app, folder, calls)
    (path,) = folder.glob("probe-*.journal")
    return read_handovers(path.read_bytes())


def read_handovers(content: bytes) -> list[SimpleNamespace]:
    rows = {row.handover: row for row in read_table(content, "w")}
    for row in rows.values():
        known = [moment for name in MOMENTS if (moment := getattr(row, name)) is not None]
        assert known == sorted(known), row
    return [rows[number] for number in sorted(rows)]


def find_row(rows: list[SimpleNamespace], name: str) -> SimpleNamespace:
    """The only call whose work has the name."""
    (row,) = find_rows(rows, name)
    return row


def find_rows(rows: list[SimpleNamespace], name: str) -> list[SimpleNamespace]:
    return [row for row in rows if row.work and row.work.split(" ")[-1].endswith(name)]


class Gate:
    """A call that stays in its thread until the test releases it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()

    def enter(self) -> None:
        self.entered.set()
        assert self.leave.wait(10)

    async def wait_until_entered(self) -> None:
        await wait_until(self.entered)


async def wait_until(event: threading.Event) -> None:
    while not event.is_set():
        await asyncio.sleep(0)


async def wait_until_queued(limiter: anyio.CapacityLimiter | None = None) -> None:
    limiter = limiter or anyio.to_thread.current_default_thread_limiter()
    while not limiter.statistics().tasks_waiting:
        await asyncio.sleep(0)


def leave_one_token() -> anyio.CapacityLimiter:
    limiter = anyio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 1
    return limiter
