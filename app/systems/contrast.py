"""Eight endpoints, each as `def` under /sync and as `async def` under /async, with the same paths
and responses as the servers in `peers/`. Start it with `uvicorn app.systems.contrast:app`.

Only the database endpoints await anything. CPU and memory work awaits nothing: as `async def` it
blocks the event loop, as `def` it holds a thread, and under /process it runs in another process.
"""

import sqlite3
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

from app.systems.databases import (
    DatabaseSettings,
    Limit,
    Text,
    build_validation_error,
    create_database_app,
    format_database_error,
    read_database_settings,
)
from app.systems.environment import exit_on_settings_error
from app.systems.items import ALIVE, CREATE, LIST, Row, SqlitePools
from app.systems.strict_json import StrictRoute, parse_json, read_body

Said = Annotated[str, Path(min_length=1, max_length=256)]
Steps = Annotated[int, Path(ge=1, le=10_000_000)]
Mebibytes = Annotated[int, Path(ge=1, le=256)]
ANY_JSON = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}
MULTIPLIER, INCREMENT, MODULUS = 1_103_515_245, 12_345, 2**31
PAGE_BYTES = 4096
MIB = 2**20
NO_JSON: dict[int | str, dict[str, object]] = {422: {"description": "No JSON"}}


class HelloResponse(BaseModel):
    message: str = "hello"
    server: str = "fastapi"


class HealthResponse(BaseModel):
    status: str = "ok"
    database: str = "ok"


class EchoResponse(BaseModel):
    echo: JsonValue


class MeasuredEchoResponse(EchoResponse):
    bytes: int


class NewItem(BaseModel):
    name: Annotated[Text, Field(min_length=1, max_length=100)]
    price_cents: Annotated[StrictInt, Field(ge=0, le=1_000_000_000)]


class Item(BaseModel):
    item_id: int
    name: str
    price_cents: int

    @classmethod
    def from_row(cls, row: Row) -> "Item":
        return cls(item_id=row[0], name=row[1], price_cents=row[2])


class ItemList(BaseModel):
    items: list[Item]

    @classmethod
    def from_rows(cls, rows: Sequence[Row]) -> "ItemList":
        return cls(items=[Item.from_row(row) for row in rows])


class CpuResponse(BaseModel):
    n: int
    result: int


class MemoryResponse(BaseModel):
    mb: int
    pages: int


Body = Annotated[bytes, Depends(read_body)]


def measure_echo(body: bytes) -> MeasuredEchoResponse:
    try:
        return MeasuredEchoResponse(echo=parse_json(body), bytes=len(body))
    except JSONDecodeError as error:
        raise build_validation_error(f"no JSON: {error.msg}", "body") from error


def spin(n: int) -> int:
    """Run n steps of a linear congruential generator (the constants of C's old rand). Each step
    needs the previous one, so no compiler can skip any."""
    value = 1
    for _ in range(n):
        value = (value * MULTIPLIER + INCREMENT) % MODULUS
    return value


def fill(mb: int) -> int:
    """Allocate `mb` MiB and write to each page: the kernel backs a page only when it is touched.
    Return the number of pages written."""
    memory, pages = bytearray(mb * MIB), 0
    for at in range(0, len(memory), PAGE_BYTES):
        memory[at] = 1
        pages += 1
    return pages


def build_unavailable_response(error: sqlite3.Error) -> JSONResponse:
    return JSONResponse(
        {"detail": format_database_error(error), "database": "unreachable"}, status_code=503
    )


def add_plain_endpoints(sync: APIRouter, awaited: APIRouter) -> None:
    @sync.get("/")
    def sync_root() -> HelloResponse:
        return HelloResponse()

    @awaited.get("/")
    async def async_root() -> HelloResponse:
        return HelloResponse()

    @sync.post("/echo", openapi_extra=ANY_JSON, responses=NO_JSON)
    def sync_echo(body: Body) -> MeasuredEchoResponse:
        return measure_echo(body)

    @awaited.post("/echo", openapi_extra=ANY_JSON, responses=NO_JSON)
    async def async_echo(body: Body) -> MeasuredEchoResponse:
        return measure_echo(body)

    @sync.get("/echo/{text}")
    def sync_echo_text(text: Said) -> EchoResponse:
        return EchoResponse(echo=text)

    @awaited.get("/echo/{text}")
    async def async_echo_text(text: Said) -> EchoResponse:
        return EchoResponse(echo=text)


def add_database_endpoints(sync: APIRouter, awaited: APIRouter, pools: SqlitePools) -> None:
    @sync.get("/health", response_model=HealthResponse)
    def sync_health() -> HealthResponse | JSONResponse:
        try:
            pools.execute(ALIVE)
        except sqlite3.Error as error:
            return build_unavailable_response(error)
        return HealthResponse()

    @awaited.get("/health", response_model=HealthResponse)
    async def async_health() -> HealthResponse | JSONResponse:
        try:
            await pools.execute_async(ALIVE)
        except sqlite3.Error as error:
            return build_unavailable_response(error)
        return HealthResponse()

    @sync.get("/db/items")
    def sync_list_items(limit: Limit = 25) -> ItemList:
        return ItemList.from_rows(pools.execute(LIST, (limit,)))

    @awaited.get("/db/items")
    async def async_list_items(limit: Limit = 25) -> ItemList:
        return ItemList.from_rows(await pools.execute_async(LIST, (limit,)))

    @sync.post("/db/items", status_code=201)
    def sync_create_item(item: NewItem) -> Item:
        return Item.from_row(pools.execute(CREATE, (item.name, item.price_cents))[0])

    @awaited.post("/db/items", status_code=201)
    async def async_create_item(item: NewItem) -> Item:
        return Item.from_row((await pools.execute_async(CREATE, (item.name, item.price_cents)))[0])


def add_work_endpoints(
    sync: APIRouter, awaited: APIRouter, process: APIRouter, others: Executor
) -> None:
    @sync.get("/stress/cpu/{n}")
    def sync_cpu(n: Steps) -> CpuResponse:
        return CpuResponse(n=n, result=spin(n))

    @awaited.get("/stress/cpu/{n}")
    async def async_cpu(n: Steps) -> CpuResponse:
        return CpuResponse(n=n, result=spin(n))

    @process.get("/stress/cpu/{n}")
    async def process_cpu(n: Steps) -> CpuResponse:
        return CpuResponse(n=n, result=await get_running_loop().run_in_executor(others, spin, n))

    @sync.get("/stress/memory/{mb}")
    def sync_memory(mb: Mebibytes) -> MemoryResponse:
        return MemoryResponse(mb=mb, pages=fill(mb))

    @awaited.get("/stress/memory/{mb}")
    async def async_memory(mb: Mebibytes) -> MemoryResponse:
        return MemoryResponse(mb=mb, pages=fill(mb))


def create_app(settings: DatabaseSettings) -> FastAPI:
    pools = SqlitePools(settings)
    others = ProcessPoolExecutor(mp_context=get_context("spawn"))  # starts processes on first use

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        async with pools.open_connections():
            yield
        others.shutdown(cancel_futures=True)

    app = create_database_app("contrast", settings, opened)
    sync, awaited, process = (
        APIRouter(prefix=f"/{way}", route_class=StrictRoute) for way in ("sync", "async", "process")
    )
    add_plain_endpoints(sync, awaited)
    add_database_endpoints(sync, awaited, pools)
    add_work_endpoints(sync, awaited, process, others)
    for router in (sync, awaited, process):
        app.include_router(router)
    return app


with exit_on_settings_error("app.contrast"):
    app = create_app(read_database_settings())
