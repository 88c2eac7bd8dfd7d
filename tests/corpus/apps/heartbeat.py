"""The app that CORPUS_APP names, with a heartbeat on its loop, which shows a blocked loop from
inside. Its gaps go to the file that CORPUS_GAPS names, as work named `gap`."""

from __future__ import annotations

import asyncio
import importlib
import os
from time import monotonic

from starlette.types import ASGIApp, Receive, Scope, Send
from truth import Times

BEAT_S = 0.002
GAP_S = 0.02
GAPS = Times(os.environ["CORPUS_GAPS"])
TASKS: list[asyncio.Task[None]] = []
inner: ASGIApp = importlib.import_module(os.environ["CORPUS_APP"]).app


async def beat() -> None:
    before_s = monotonic()
    while True:
        await asyncio.sleep(BEAT_S)
        now_s = monotonic()
        if now_s - before_s - BEAT_S > GAP_S:
            GAPS.note("gap", before_s + BEAT_S, 0.0)
        before_s = now_s


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if not TASKS:
        TASKS.append(asyncio.create_task(beat()))
        await asyncio.sleep(2 * BEAT_S)  # starts before the app
    await inner(scope, receive, send)
