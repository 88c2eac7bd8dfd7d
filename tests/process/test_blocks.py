"""The probe's records of a blocked loop, on real servers under load: which code blocked it and for
how long, and no innocent route is accused."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import httpx
import polars as pl
import pytest

from records.build_probe_tables import build_block_stacks_table, build_blocks_table
from records.build_tables import read_journals
from stress.audit.attach import start_audited_app
from stress.audit.audited_app import AuditedApp
from stress.audit.command import AuditedCommand
from stress.interruption import Interruption

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
BLOCK_S = 0.12
SHORT_S = 0.06
EVERY_LOOP = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
SERVICE = f"""
import asyncio, re, time
from fastapi import FastAPI

app = FastAPI()
TEXT = "a" * 23 + "b"

@app.get("/block/{{number}}")
async def block(number: int):
    time.sleep({BLOCK_S})
    return number

@app.get("/short")
async def short():
    time.sleep({SHORT_S})

@app.get("/innocent")
async def innocent():
    await asyncio.sleep(0.001)

@app.get("/regex")
def regex():
    return re.match("(a+)+$", TEXT) is None
"""
"""The regular expression takes some tenths of a second, and holds the GIL all the time."""
REGEX_LINE = 1 + SERVICE[: SERVICE.index("re.match")].count("\n")


@contextmanager
def serve(folder: Path, loop: str) -> Iterator[AuditedApp]:
    (folder / "service.py").write_text(SERVICE)
    argv = (sys.executable, "-m", "uvicorn", "service:app", "--port=0", f"--loop={loop}")
    command = AuditedCommand((*argv, "--no-access-log"), folder)
    app = start_audited_app(command, folder / "raw", Interruption())
    try:
        yield app
    finally:
        app.end()


def ask_together(url: str, users: int, *paths: str) -> float:
    """Each user calls each path in turn. Returns the seconds that this took."""

    async def ask() -> None:
        limits = httpx.Limits(max_connections=users)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:

            async def user() -> None:
                for path in paths:
                    (await client.get(path)).raise_for_status()

            await asyncio.gather(*(user() for _ in range(users)))

    began_s = monotonic()
    asyncio.run(ask())
    return monotonic() - began_s


def load_blocks(folder: Path) -> pl.DataFrame:
    """One row per stretch; `lasted_s` excludes CPU steal and contention."""
    journals, lost = read_journals(sorted((folder / "raw").rglob("probe-*.journal")))
    assert lost == ()
    own_s = pl.col("ended_s") - pl.col("began_s") - pl.col("run_delay_s").fill_null(0.0)
    blocks = build_blocks_table(journals, 0.0, 1e12).with_columns(lasted_s=own_s)
    stacks = build_block_stacks_table(journals, 0.0, 1e12)
    seen = stacks.group_by("pid", "stretch").agg(pl.col("stack"))
    return blocks.join(seen, ["pid", "stretch"], "left")


@EVERY_LOOP
@pytest.mark.parametrize("users", [1, 20])
def test_the_seconds_of_each_request_that_blocks(tmp_path: Path, loop: str, users: int) -> None:
    with serve(tmp_path, loop) as app:
        ask_together(app.url, users, "/innocent", "/block/1", "/innocent", "/short", "/innocent")
    served = pl.col("began_s") >= pl.col("began_s").filter(pl.col("visit") > 0).min()
    blocks = load_blocks(tmp_path).filter(served, pl.col("lasted_s") > SHORT_S / 2)
    assert blocks["visit"].null_count() == 0  # no second is counted twice
    for route, lasts_s in (("/block/{number}", BLOCK_S), ("/short", SHORT_S)):
        found = blocks.filter(pl.col("route") == route)
        assert found["visit"].n_unique() == users
        assert found["lasted_s"].sum() == pytest.approx(users * lasts_s, rel=0.2)
        assert found["timed"].all()
        named = found["stack"].list.eval(pl.element().str.contains('"(block|short)"')).list.all()
        assert named.sum() >= 0.9 * users
    assert blocks.filter(pl.col("route") == "/innocent").is_empty()


@EVERY_LOOP
def test_the_thread_that_keeps_the_gil_is_named(tmp_path: Path, loop: str) -> None:
    """Eight users of an innocent route while a `def` route's regular expression holds the GIL. On
    uvloop one block in six has no stack: if the loop's thread gets the GIL before the watchdog, the
    other thread may have left its line at the watchdog's turn."""
    with serve(tmp_path, loop) as app:

        async def ask() -> None:
            async with httpx.AsyncClient(base_url=app.url, timeout=60) as client:
                busy = True

                async def user() -> None:
                    while busy:
                        await client.get("/innocent")

                users = [asyncio.ensure_future(user()) for _ in range(8)]
                for _ in range(8):
                    (await client.get("/regex")).raise_for_status()
                busy = False
                await asyncio.gather(*users)

        asyncio.run(ask())
    blocks = load_blocks(tmp_path).filter(pl.col("lasted_s") > 0.1)
    assert blocks.height >= 8
    assert set(blocks["holder_route"]) == {"/regex"}
    assert (blocks["holder_cpu_s"] > blocks["cpu_s"]).all()
    stacks = blocks["holder_stack"].drop_nulls()
    assert stacks.len() >= 3
    assert stacks.str.contains('"match"').all()
    assert stacks.str.contains(f'service.py", {REGEX_LINE}, "regex"', literal=True).all()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps these clocks")
def test_a_stopped_process_is_nobodys_fault(tmp_path: Path) -> None:
    with serve(tmp_path, "asyncio") as app:
        ask_together(app.url, 1, "/innocent")
        (pid,) = {each.pid for each in app.attached}
        os.kill(pid, signal.SIGSTOP)
        sleep(0.6)  # the pause to be measured
        os.kill(pid, signal.SIGCONT)
        ask_together(app.url, 1, "/innocent")
    paused = load_blocks(tmp_path).filter(pl.col("paused_s") > 0.4)
    assert paused.height == 1
    assert paused["route"].null_count() == 1


def test_a_killed_process_leaves_what_blocked_it(tmp_path: Path) -> None:
    with serve(tmp_path, "asyncio") as app:
        (pid,) = {each.pid for each in app.attached}

        async def ask() -> None:
            async with httpx.AsyncClient(base_url=app.url, timeout=60) as client:
                asking = [client.get("/block/1") for _ in range(40)]
                await asyncio.gather(*asking, return_exceptions=True)

        def is_written() -> bool:
            return load_blocks(tmp_path)["route"].count() > 0

        with kill_when(pid, is_written):
            asyncio.run(ask())
    blocks = load_blocks(tmp_path)
    assert set(blocks["route"].drop_nulls()) == {"/block/{number}"}


@contextmanager
def kill_when(pid: int, is_ready: Callable[[], bool]) -> Iterator[None]:
    def watch() -> None:
        deadline_s = monotonic() + 30
        while not is_ready() and monotonic() < deadline_s:
            sleep(0.05)
        os.kill(pid, signal.SIGKILL)

    watcher = Thread(target=watch)
    watcher.start()
    yield
    watcher.join()
