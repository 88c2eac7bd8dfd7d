"""The bystander: sends a background request at intervals throughout the cell, on new connections.

It shows how a scenario affects other users. It is an open loop: an unanswered request delays no
later one.
"""

import asyncio
import re
import threading
from dataclasses import dataclass
from functools import partial
from time import monotonic

from records.ids import BYSTANDER_PROCESS, format_id_header, generate_ids
from stress.runtime import CellRun

CHUNK_BYTES = 1 << 16
STATUSES = range(100, 1000)
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r", re.IGNORECASE)


@dataclass(slots=True)
class BackgroundPing:
    request_id: int
    intended_s: float
    ended_s: float | None = None
    status: int | None = None
    error: str | None = None


class BackgroundRequester:
    """A sender of background requests in its own thread, so that the runner never delays them."""

    def __init__(self, cell: CellRun, host: str, port: int) -> None:
        self._address = host, port
        self._what = cell.scenario.bystander
        scenario = cell.scenario
        self._is_ours = scenario.url is None and not scenario.server.has_users_app
        self._ids = generate_ids(cell.number, BYSTANDER_PROCESS)
        self._pings: list[BackgroundPing] = []
        self._loop = asyncio.new_event_loop()
        self._leave = asyncio.Event()
        run = partial(self._loop.run_until_complete, self._send_periodically())
        self._thread = threading.Thread(target=run, name="bystander", daemon=True)
        self._thread.start()

    def stop(self) -> list[BackgroundPing]:
        """Stop, and return all pings in order; unanswered ones have neither end nor error."""
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join()
        self._loop.close()
        return self._pings

    async def _send_periodically(self) -> None:
        due_s, asking = monotonic(), set[asyncio.Task[None]]()
        while not self._leave.is_set():
            ping = BackgroundPing(next(self._ids), due_s)
            self._pings.append(ping)
            asking.add(asyncio.create_task(self._send_ping(ping)))
            due_s += self._what.every_s
            try:
                async with asyncio.timeout(max(0.0, due_s - monotonic())):
                    await self._leave.wait()
            except TimeoutError:
                continue
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _send_ping(self, ping: BackgroundPing) -> None:
        head = (
            f"GET {self._what.path} HTTP/1.1\r\nHost: {self._address[0]}\r\n"
            f"x-request-id: {format_id_header(ping.request_id)}\r\nConnection: close\r\n\r\n"
        )
        try:
            reader, writer = await asyncio.open_connection(*self._address)
            try:
                writer.write(head.encode())
                answer = await reader.readuntil(b"\r\n\r\n")
                await read_body(reader, answer)
            finally:
                writer.close()
            ping.ended_s = monotonic()
            ping.status = parse_status(answer)
            ping.error = find_error(ping.status, self._is_ours)
        except (OSError, EOFError, IndexError, ValueError, asyncio.LimitOverrunError) as error:
            ping.ended_s = monotonic()
            ping.error = f"{type(error).__name__}: incomplete response"


def parse_status(head: bytes) -> int:
    """Raises ValueError or IndexError for garbage."""
    status = int(head.split(b" ", 2)[1])
    if status not in STATUSES:
        raise ValueError(f"{status} is no status")
    return status


def find_error(status: int, is_ours: bool) -> str | None:
    """Our apps answer 200. A user's app or server may not know the path, or may want a login."""
    return f"HTTP {status}" if (status != 200 if is_ours else status >= 500) else None


async def read_body(reader: asyncio.StreamReader, head: bytes) -> None:
    """Read to the body's end and keep none of it. A server may keep the connection open although it
    was asked to close it: then the length ends the body."""
    length = LENGTH.search(head)
    remaining = int(length[1]) if length else None
    while remaining is None or remaining > 0:
        part = await reader.read(CHUNK_BYTES if remaining is None else min(CHUNK_BYTES, remaining))
        if not part:
            break
        remaining = None if remaining is None else remaining - len(part)
