"""A tiny app with the probe, in-process, and the journal that the probe writes. Needs only the
app's packages, and none of the project's readers, so that it runs on Python 3.9 too."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace

from asgi_probe import Probe
from asgi_probe.journal import CODES, FRAME
from asgi_probe.routes import App, Message, Receive, Scope, Send

Calls = Callable[[App], Awaitable[None]]


async def ask(app: App, path: str, **headers: str) -> SimpleNamespace:
    """One GET, or the method in front of the path: status, headers and body."""
    method, _, path = path.rpartition(" ")
    path, _, query = path.partition("?")
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope: Scope = {
        "type": "http", "method": method or "GET", "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "headers": encoded,
        "http_version": "1.1", "scheme": "http", "server": ("app", 80), "client": ("me", 1),
        "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip
    sent: list[Message] = []
    requests = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        for message in requests:
            return dict(message)
        await asyncio.Event().wait()  # the client stays
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(bytes(message.get("body", b"")) for message in sent)  # type: ignore[call-overload]
    start = sent[0]
    return SimpleNamespace(status=start["status"], headers=start["headers"], body=body)


def get(*paths: str, **headers: str) -> Calls:
    async def calls(app: App) -> None:
        for path in paths:
            await ask(app, path, **headers)

    return calls


def observe(app: object, folder: Path, calls: Calls) -> SimpleNamespace:
    """Run the calls against the probed app; return the rows that the probe wrote."""
    probe = Probe(app, folder, Path(__file__).parent)  # type: ignore[arg-type]

    async def run() -> None:
        await calls(probe)

    asyncio.run(run())
    probe.stop()
    requests, samples = read_rows(folder)
    return SimpleNamespace(requests=requests, samples=samples, probe=probe)


def read_rows(folder: Path) -> tuple[list[SimpleNamespace], list[SimpleNamespace]]:
    """Requests and samples of the only journal in a folder. Of a request's rows the most complete
    counts: unfinished requests are written too."""
    (path,) = folder.glob("probe-*.journal")
    rows = read_table(path.read_bytes(), "h")
    rows.sort(key=lambda row: (row.visit, row.sent_s or 0, row.started_s or 0, row.queued_s or 0))
    return list({row.visit: row for row in rows}.values()), read_table(path.read_bytes(), "s")


def read_table(content: bytes, wanted: str) -> list[SimpleNamespace]:
    """A table's rows; NaN and empty text become None. A partial last frame is dropped."""
    columns: list[tuple[str, str]] = []
    texts: dict[int, str | None] = {0: None}
    packed, at = b"", 0
    while at + FRAME.size <= len(content):
        letter, size = FRAME.unpack_from(content, at)
        payload = content[at + FRAME.size : at + FRAME.size + size]
        at += FRAME.size + size
        if len(payload) < size:
            break
        if letter == b"{":
            entry = json.loads(payload)
            columns = entry.get("tables", {wanted: columns})[wanted]
            texts.update((int(index), text) for index, text in entry.get("strings", {}).items())
        elif letter == wanted.encode():
            packed += payload
    rows = struct.iter_unpack("<" + "".join(CODES[kind] for _, kind in columns), packed)
    return [
        SimpleNamespace(**{
            name: texts[value] if kind == "text" else None if value != value else value
            for (name, kind), value in zip(columns, row)
        })
        for row in rows
    ]  # fmt: skip


async def ignore(_: Message) -> None: ...


__all__ = ["Receive", "Send", "ask", "get", "ignore", "observe", "read_rows", "read_table"]
