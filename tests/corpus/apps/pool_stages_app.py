"""FastAPI: a pool of four threads that /report fills, and a wait for it at each stage of a request.

Each wait ends where the thread begins, and begins where the app's own code on the loop ran last
before it, or where the work before it ended. Every other route paces its users, so that what they
wait for is not the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated

import anyio.to_thread
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from truth import note_wait

WORK_S = 1.0
PACE_S = 0.1
DOCUMENTS = Path(__file__).with_name("documents")


@asynccontextmanager
async def shrink_pool(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 4
    yield


class RequestClock:
    """The work of these routes takes no time: everything between a recorded time and each message
    of the response is a wait for the pool."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_noted(message: Message) -> None:
            noted = scope.get("noted")
            if noted:
                note_wait(*noted)
            await send(message)
            if noted:
                scope["noted"] = noted[0], monotonic()

        await self.app(scope, receive, send_noted)
        if noted := scope.get("noted"):
            note_wait(*noted)


async def note(scope: Scope, label: str) -> None:
    await asyncio.sleep(PACE_S)
    scope["noted"] = label, monotonic()


class PacedFiles:
    def __init__(self, files: StaticFiles) -> None:
        self.files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await note(scope, "wait-for-static-file")
        await self.files(scope, receive, send)  # waits: wait-for-static-file


app = FastAPI(lifespan=shrink_pool)
app.add_middleware(RequestClock)
app.mount("/documents", PacedFiles(StaticFiles(directory=DOCUMENTS)))


@app.get("/ping")
async def ping() -> str:
    return "pong"


async def read_clock() -> float:
    await asyncio.sleep(PACE_S)
    return monotonic()


Asked = Annotated[float, Depends(read_clock)]


async def read_clock_at_once() -> float:
    return monotonic()


AskedAtOnce = Annotated[float, Depends(read_clock_at_once)]


@app.get("/report", response_model=None)
def write_report(
    asked_s: Annotated[float, Depends(read_clock_at_once)],
) -> JSONResponse:  # waits: wait-for-own-kind
    note_wait("wait-for-own-kind", asked_s)
    time.sleep(WORK_S)  # holds: report
    return JSONResponse("written")


@app.get("/endpoint", response_model=None)
def read_stock(asked_s: Asked) -> JSONResponse:
    note_wait("wait-for-endpoint", asked_s)  # waits: wait-for-endpoint
    return JSONResponse(sum(number * number for number in range(5_000)))


def find_user(asked_s: Asked) -> str:
    note_wait("wait-for-dependency", asked_s)  # waits: wait-for-dependency
    return "user"


@app.get("/dependency")
async def greet(user: Annotated[str, Depends(find_user)]) -> str:
    return user


def open_session(asked_s: Asked) -> Iterator[str]:
    note_wait("wait-for-session", asked_s)  # waits: wait-for-session
    yield "session"


@app.get("/session")
async def use_session(session: Annotated[str, Depends(open_session)]) -> str:
    """FastAPI gives each exit of a context a limiter of its own: only the entry waits."""
    return session


class Stock(BaseModel):
    returned_s: float

    @model_validator(mode="before")
    @classmethod
    def note_returned(cls, content: dict[str, float]) -> dict[str, float]:
        note_wait("wait-for-response", content["returned_s"])
        return content


@app.get("/response", response_model=Stock)
def get_stock(asked_s: Asked) -> dict[str, float]:
    note_wait("wait-before-response", asked_s)  # waits: wait-before-response
    return {"returned_s": monotonic()}  # waits: wait-for-response


class Mail:
    asked_s = 0.0

    async def note_asked(self) -> None:
        self.asked_s = monotonic()

    def send(self) -> None:
        note_wait("wait-for-background", self.asked_s)  # waits: wait-for-background


@app.get("/background")
async def register(tasks: BackgroundTasks) -> str:
    await asyncio.sleep(PACE_S)
    mail = Mail()
    tasks.add_task(mail.note_asked)
    tasks.add_task(mail.send)
    return "registered"


@app.get("/file", response_model=None)
async def send_file(request: Request) -> FileResponse:
    await note(request.scope, "wait-for-file")
    return FileResponse(DOCUMENTS / "note.txt")  # waits: wait-for-file


def iterate_lines(asked_s: float) -> Iterator[str]:
    """Each chunk is requested as soon as the previous one is sent; the end too."""
    for number in range(4):
        note_wait("wait-for-chunk", asked_s)
        asked_s = monotonic()
        yield f"{number}\n"  # waits: wait-for-chunk
    note_wait("wait-for-chunk", asked_s)


@app.get("/stream", response_model=None)
async def stream() -> StreamingResponse:
    await asyncio.sleep(PACE_S)
    return StreamingResponse(iterate_lines(monotonic()), media_type="text/plain")


def close_session(asked_s: float) -> None:
    note_wait("wait-for-teardown", asked_s)


async def open_cursor() -> AsyncIterator[str]:
    yield "cursor"
    await run_in_threadpool(close_session, monotonic())  # waits: wait-for-teardown


@app.get("/teardown")
async def use_cursor(cursor: Annotated[str, Depends(open_cursor)]) -> str:
    await asyncio.sleep(PACE_S)
    return cursor


class StockError(Exception): ...


@app.exception_handler(StockError)
def report_stock(request: Request, _: Exception) -> JSONResponse:
    note_wait("wait-for-handler", request.state.asked_s)  # waits: wait-for-handler
    return JSONResponse("none left", status_code=429)


@app.get("/error")
async def fail(request: Request) -> str:
    await asyncio.sleep(PACE_S)
    request.state.asked_s = monotonic()
    raise StockError


def look_up(asked_s: float) -> str:
    note_wait("wait-in-own-call", asked_s)
    return "found"


@app.get("/offload")
async def offload() -> str:
    await asyncio.sleep(PACE_S)
    return await run_in_threadpool(look_up, monotonic())  # waits: wait-in-own-call
