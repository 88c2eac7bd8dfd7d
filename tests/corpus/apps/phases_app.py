"""FastAPI: what blocks before and after the endpoint's own code."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio.to_thread
from fastapi import BackgroundTasks, Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AfterValidator, BaseModel, field_serializer
from truth import TIMES, measure

WAIT_S = 0.12
ROWS: list[dict[str, object]] = [
    {"id": number, "name": f"item {number}"} for number in range(12_000)
]


@asynccontextmanager
async def load_lazy_modules(_: FastAPI) -> AsyncIterator[None]:
    """The first use of anyio's pool imports modules, which blocks the loop."""
    await anyio.to_thread.run_sync(look_up)
    yield


app = FastAPI(lifespan=load_lazy_modules)


@app.get("/ping")
async def ping() -> str:
    return "pong"


async def find_user() -> str:
    with measure("dependency"):
        time.sleep(WAIT_S)  # blocks: dependency
    return "user"


@app.get("/dependency")
async def greet(user: Annotated[str, Depends(find_user)]) -> str:
    return user


class Quota:
    async def __call__(self) -> int:
        with measure("callable-dependency"):
            time.sleep(WAIT_S)  # blocks: callable-dependency
        return 1


@app.get("/dependency/callable")
async def spend(quota: Annotated[int, Depends(Quota())]) -> int:
    return quota


async def open_session() -> AsyncIterator[str]:
    yield "session"
    with measure("teardown"):
        time.sleep(WAIT_S)  # blocks: teardown


@app.get("/teardown/{number}")
async def use_session(number: int, session: Annotated[str, Depends(open_session)]) -> str:
    return f"{session} {number}"


def check_code(code: str) -> str:
    with measure("validator"):
        time.sleep(WAIT_S)  # blocks: validator
    return code


@app.get("/validator")
async def redeem(code: Annotated[str, Query(), AfterValidator(check_code)] = "x") -> str:
    return code


class Price(BaseModel):
    amount: int

    @field_serializer("amount")
    def convert(self, amount: int) -> int:
        with measure("serializer"):
            time.sleep(WAIT_S)  # blocks: serializer
        return amount


@app.get("/serializer")
async def get_price() -> Price:
    return Price(amount=1)


class SlowResponse(JSONResponse):
    def render(self, content: object) -> bytes:
        with measure("render"):
            time.sleep(WAIT_S)  # blocks: render
        return super().render(content)


@app.get("/render", response_class=SlowResponse)
async def get_rendered() -> dict[str, int]:
    return {"items": 1}


async def note_encoding(began_s: float, cpu_began_s: float) -> None:
    """Runs as soon as the response is encoded and written, without an await in between."""
    TIMES.note("encode", began_s, cpu_began_s)


@app.get("/encode", response_model=None)
async def get_rows(tasks: BackgroundTasks) -> list[dict[str, object]]:
    tasks.add_task(note_encoding, time.monotonic(), time.thread_time())
    return ROWS  # blocks: encode


class QuotaError(Exception): ...


@app.exception_handler(QuotaError)
async def report_quota(request: Request, _: Exception) -> JSONResponse:
    with measure("exception-handler"):
        time.sleep(WAIT_S)  # blocks: exception-handler
    return JSONResponse({"path": request.url.path}, status_code=429)


@app.get("/error")
async def fail() -> str:
    raise QuotaError


async def send_mail() -> None:
    with measure("background"):
        time.sleep(WAIT_S)  # blocks: background


@app.get("/background")
async def register(tasks: BackgroundTasks) -> str:
    tasks.add_task(send_mail)
    return "registered"


async def iterate_lines() -> AsyncIterator[str]:
    for number in range(3):
        with measure("stream"):
            time.sleep(0.06)  # blocks: stream
        yield f"{number}\n"


@app.get("/stream")
async def stream() -> StreamingResponse:
    return StreamingResponse(iterate_lines(), media_type="text/plain")


class Endpoint:
    """FastAPI calls an instance as it calls a function."""

    async def __call__(self) -> str:
        with measure("callable"):
            time.sleep(WAIT_S)  # blocks: callable
        return "called"


app.add_api_route("/callable", Endpoint())


def look_up() -> str:
    time.sleep(WAIT_S)
    return "found in the pool"


@app.get("/pool-dependency")
async def use_pool(found: Annotated[str, Depends(look_up)]) -> str:
    return found
