"""The reader of `records` turns the probe's journal into tables. tests/probe tests the probe
itself, on other Pythons too."""

import asyncio
import threading
import time
from pathlib import Path

import httpx
import polars as pl
from asgi_probe import Probe
from fastapi import FastAPI

from records.build_probe_tables import (
    build_block_stacks_table,
    build_blocks_table,
    build_handlers_table,
    build_probe_table,
)
from records.build_tables import read_journals

BLOCK_S = 0.12


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


def test_each_of_many_requests_that_block_the_loop_is_a_stretch_of_its_own(tmp_path: Path) -> None:
    """Five at once: the loop is blocked once, and each of the five requests has that time."""
    app = FastAPI()

    @app.get("/block/{number}")
    async def block(number: int) -> int:
        time.sleep(BLOCK_S)  # blocks the loop's thread, like the planted code
        return number

    @app.get("/innocent")
    async def innocent() -> None: ...

    probe = Probe(app, tmp_path)

    async def ask() -> None:
        transport = httpx.ASGITransport(probe)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            paths = ("/innocent", *(f"/block/{number}" for number in range(5)), "/innocent")
            await asyncio.gather(*map(client.get, paths))

    asyncio.run(ask())
    probe.stop()
    journals, _ = read_journals(sorted(tmp_path.glob("probe-*.journal")))
    blocks = build_blocks_table(journals, 0.0, 1e12)
    assert blocks["route"].to_list() == ["/block/{number}"] * 5
    assert blocks["visit"].n_unique() == 5
    assert blocks["timed"].all()
    for began_s, ended_s, cpu_s in blocks.select("began_s", "ended_s", "cpu_s").iter_rows():
        assert BLOCK_S <= ended_s - began_s < 2 * BLOCK_S
        assert cpu_s is None or cpu_s < BLOCK_S / 4
    stacks = build_block_stacks_table(journals, 0.0, 1e12)
    assert set(stacks["stretch"]) == set(blocks["stretch"])
    for (stretch, visit), samples in stacks.group_by("stretch", "visit"):
        assert blocks.row(by_predicate=pl.col("stretch") == stretch, named=True)["visit"] == visit
        assert samples["stack"].str.starts_with(f'[["{__name__}", "{__file__}", ').all()
        assert samples["stack"].str.contains('"block"').all()
