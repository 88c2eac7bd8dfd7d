"""Eight endpoints, each as `def` under /sync and as `async def` under /async, with the paths and
answers of the servers in `peers/`: `uvicorn app.contrast:app`.

Only the database makes an `async def` await anything here. The work on CPU and memory awaits
nothing: as `async def` it holds the loop, as `def` a thread, under /process another process.
"""

import sqlite3
import sys
from asyncio import get_running_loop
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import asynccontextmanager
from json import JSONDecodeError
from multiprocessing import get_context
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path
from pydantic import BaseModel, Field, JsonValue, StrictInt
from starlette.responses import JSONResponse

from app import databases
from app.databases import (
    MOST_ROWS,
    Databases,
    Text,
    answer_faults,
    fault_of,
    refusal,
)
from app.foundation import add_ping, new_app
from app.items import ALIVE, CREATE, LIST, Pools, Row
from app.settings import SettingsError, threads_from_environment
from app.strict_json import StrictRoute, body_of, value_of
from app.work import fill, spin

Said = Annotated[str, Path(min_length=1, max_length=256)]
Steps = Annotated[int, Path(ge=1, le=10_000_000)]
Mebibytes = Annotated[int, Path(ge=1, le=256)]
Limit = Annotated[int, MOST_ROWS]
ANY_JSON = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}
NO_JSON: dict[int | str, dict[str, object]] = {422: {"description": "No JSON"}}


class Hello(BaseModel):
    message: str = "hello"
    server: str = "fastapi"


class Health(BaseModel):
    status: str = "ok"
    database: str = "ok"


class Echo(BaseModel):
    echo: JsonValue


class MeasuredEcho(Echo):
    bytes: int


class NewItem(BaseModel):
    name: Annotated[Text, Field(min_length=1, max_length=100)]
    price_cents: Annotated[StrictInt, Field(ge=0, le=1_000_000_000)]


class Item(BaseModel):
    item_id: int
    name: str
    price_cents: int

    @classmethod
    def of(cls, row: Row) -> "Item":
        return cls(item_id=row[0], name=row[1], price_cents=row[2])


class Items(BaseModel):
    items: list[Item]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Items":
        return cls(items=[Item.of(row) for row in rows])


class Spun(BaseModel):
    n: int
    result: int


class Filled(BaseModel):
    mb: int
    pages: int


Body = Annotated[bytes, Depends(body_of)]


def echo_of(body: bytes) -> MeasuredEcho:
    try:
        return MeasuredEcho(echo=value_of(body), bytes=len(body))
    except JSONDecodeError as error:
        raise refusal(f"no JSON: {error.msg}", "body") from error


def unreachable(error: sqlite3.Error) -> JSONResponse:
    return JSONResponse({"detail": fault_of(error), "database": "unreachable"}, status_code=503)


def add_plain_endpoints(sync: APIRouter, awaited: APIRouter) -> None:
    @sync.get("/")
    def sync_root() -> Hello:
        return Hello()

    @awaited.get("/")
    async def async_root() -> Hello:
        return Hello()

    @sync.post("/echo", openapi_extra=ANY_JSON, responses=NO_JSON)
    def sync_echo(body: Body) -> MeasuredEcho:
        return echo_of(body)

    @awaited.post("/echo", openapi_extra=ANY_JSON, responses=NO_JSON)
    async def async_echo(body: Body) -> MeasuredEcho:
        return echo_of(body)

    @sync.get("/echo/{text}")
    def sync_echo_text(text: Said) -> Echo:
        return Echo(echo=text)

    @awaited.get("/echo/{text}")
    async def async_echo_text(text: Said) -> Echo:
        return Echo(echo=text)


def add_database_endpoints(sync: APIRouter, awaited: APIRouter, pools: Pools) -> None:
    @sync.get("/health", response_model=Health)
    def sync_health() -> Health | JSONResponse:
        try:
            pools.ask(ALIVE)
        except sqlite3.Error as error:
            return unreachable(error)
        return Health()

    @awaited.get("/health", response_model=Health)
    async def async_health() -> Health | JSONResponse:
        try:
            await pools.ask_async(ALIVE)
        except sqlite3.Error as error:
            return unreachable(error)
        return Health()

    @sync.get("/db/items")
    def sync_list_items(limit: Limit = 25) -> Items:
        return Items.of(pools.ask(LIST, (limit,)))

    @awaited.get("/db/items")
    async def async_list_items(limit: Limit = 25) -> Items:
        return Items.of(await pools.ask_async(LIST, (limit,)))

    @sync.post("/db/items", status_code=201)
    def sync_create_item(item: NewItem) -> Item:
        return Item.of(pools.ask(CREATE, (item.name, item.price_cents))[0])

    @awaited.post("/db/items", status_code=201)
    async def async_create_item(item: NewItem) -> Item:
        return Item.of((await pools.ask_async(CREATE, (item.name, item.price_cents)))[0])


def add_work_endpoints(
    sync: APIRouter, awaited: APIRouter, process: APIRouter, others: Executor
) -> None:
    @sync.get("/stress/cpu/{n}")
    def sync_cpu(n: Steps) -> Spun:
        return Spun(n=n, result=spin(n))

    @awaited.get("/stress/cpu/{n}")
    async def async_cpu(n: Steps) -> Spun:
        return Spun(n=n, result=spin(n))

    @process.get("/stress/cpu/{n}")
    async def process_cpu(n: Steps) -> Spun:
        return Spun(n=n, result=await get_running_loop().run_in_executor(others, spin, n))

    @sync.get("/stress/memory/{mb}")
    def sync_memory(mb: Mebibytes) -> Filled:
        return Filled(mb=mb, pages=fill(mb))

    @awaited.get("/stress/memory/{mb}")
    async def async_memory(mb: Mebibytes) -> Filled:
        return Filled(mb=mb, pages=fill(mb))


def create_app(settings: Databases, threads: int) -> FastAPI:
    pools = Pools(settings)
    others = ProcessPoolExecutor(mp_context=get_context("spawn"))  # begun when first asked

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        async with pools.opened():
            yield
        others.shutdown(cancel_futures=True)

    app = new_app("contrast", threads, opened)
    add_ping(app)
    answer_faults(app)
    sync, awaited, process = (
        APIRouter(prefix=f"/{way}", route_class=StrictRoute) for way in ("sync", "async", "process")
    )
    add_plain_endpoints(sync, awaited)
    add_database_endpoints(sync, awaited, pools)
    add_work_endpoints(sync, awaited, process, others)
    for router in (sync, awaited, process):
        app.include_router(router)
    return app


try:
    app = create_app(databases.from_environment(), threads_from_environment())
except SettingsError as error:
    sys.exit(f"app.contrast: {error}")
