"""The probe's own work is no block of the app's. The planted work lasts a known time."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path

import pytest
from asgi_probe import Probe, attach_report, recorder
from asgi_probe.attach_report import STARTED, AttachReport
from asgi_probe.routes import Message, Receive, Scope, Send

from tests.probe.support import get, ignore, observe, read_table

SLOW_S = 0.2


async def answer(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Return the threads that replaced a file, each in SLOW_S."""
    threads, replace = [], Path.replace

    def replace_slowly(path: Path, target: Path) -> Path:
        threads.append(threading.current_thread())
        time.sleep(SLOW_S)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replace_slowly)
    return threads


def test_a_slow_disk_does_not_block_the_loop(
    tmp_path: Path, slow_disk: list[threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a loop is watched, and after that, the report is written at once."""
    monkeypatch.setattr(attach_report, "attached", set())
    took_s = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        began_s = time.monotonic()
        await send({"type": "lifespan.startup.complete"})
        took_s.append(time.monotonic() - began_s)

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def start() -> None:
        await probe({"type": "lifespan"}, receive, ignore)

    probe, report = Probe(app, tmp_path), AttachReport(tmp_path, app, "", "a server")
    probe.report_to(report)
    asyncio.run(start())
    probe.stop()
    assert took_s[0] < SLOW_S
    assert [each.name for each in slow_disk] == ["MainThread", "probe watchdog"]
    (path,) = tmp_path.glob("attach-*.json")
    assert json.loads(path.read_text())["state"] == STARTED
    report.update(tls=True)
    assert slow_disk[-1] is threading.main_thread()
    assert json.loads(path.read_text())["tls"] is True


def test_what_the_probe_does_on_the_loop_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = recorder.make_texts

    def make_slowly(*given: object) -> object:
        time.sleep(SLOW_S)
        return make(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(recorder, "make_texts", make_slowly)
    samples = observe(answer, tmp_path, get("/")).samples
    (path,) = tmp_path.glob("probe-*.journal")
    stacks = [json.loads(each.stack) for each in read_table(path.read_bytes(), "c")]
    long = [stack for stack in stacks if "make_slowly" in {frame[3] for frame in stack}]
    assert long
    assert all("asgi_probe.recorder" in {frame[0] for frame in stack} for stack in long)
    assert not {each.blocked_frame for each in samples} - {None}
