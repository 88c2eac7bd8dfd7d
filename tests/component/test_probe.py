"""What the probe writes is what the records' reader makes tables of. The probe itself is tested in
tests/probe, on other Pythons too."""

import asyncio
import threading
from pathlib import Path

import httpx
from asgi_probe import Probe
from fastapi import FastAPI

from records.build_tables import build_handlers_table, build_probe_table, read_journals


def test_the_tables_hold_what_the_probe_saw(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/items/{number}")
    def item(number: int) -> int:
        return number

    @app.get("/awaited")
    async def awaited() -> None: ...

    probe = Probe(app, tmp_path)

    async def ask() -> None:
        transport = httpx.ASGITransport(probe)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            await client.get("/items/5", headers={"x-request-id": "00000000000000ab"})
            await client.get("/awaited")

    asyncio.run(ask())
    probe.stop()
    journals, lost = read_journals(sorted(tmp_path.glob("probe-*.journal")))
    assert lost == ()
    pooled, on_loop = build_handlers_table(journals, 0.0, 1e12).to_dicts()
    assert (pooled["route"], pooled["thread_kind"]) == ("/items/{number}", "anyio-worker")
    assert (pooled["request_id"], pooled["status"]) == (0xAB, 200)
    times = [pooled[name] for name in ("arrived_s", "queued_s", "started_s", "ended_s", "sent_s")]
    assert times == sorted(times)
    assert (on_loop["thread_kind"], on_loop["thread_id"]) == ("loop", threading.get_native_id())
    assert on_loop["queued_s"] is None
    assert on_loop["request_id"] is None
    assert build_probe_table(journals, 0.0, 1e12)["threads_loop"].max() == 1
