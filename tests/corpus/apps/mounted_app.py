"""Two apps mounted into one, a mount inside a mount, and a router with a prefix."""

from __future__ import annotations

import time

from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from truth import measure

WAIT_S = 0.12
first = FastAPI()
app = FastAPI()
shops = APIRouter(prefix="/shops/{shop}")


@app.get("/ping")
async def ping() -> str:
    return "pong"


@first.get("/")
async def show_first() -> str:
    with measure("first"):
        time.sleep(WAIT_S)  # blocks: first
    return "first"


@first.get("/items/{item}")
async def show_item(item: str) -> str:
    with measure("first-item"):
        time.sleep(WAIT_S)  # blocks: first-item
    return item


async def show_second(_: Request) -> PlainTextResponse:
    with measure("second"):
        time.sleep(WAIT_S)  # blocks: second
    return PlainTextResponse("second")


async def show_report(request: Request) -> PlainTextResponse:
    with measure("report"):
        time.sleep(WAIT_S)  # blocks: report
    return PlainTextResponse(request.path_params["name"])


@shops.get("/items/{item}")
async def show_shop_item(shop: str, item: str) -> str:
    with measure("shop-item"):
        time.sleep(WAIT_S)  # blocks: shop-item
    return f"{shop} {item}"


second = Starlette(
    routes=[
        Route("/", show_second),
        Mount("/tools", routes=[Route("/reports/{name}", show_report)]),
    ]
)
app.include_router(shops)
app.mount("/v1", first)
app.mount("/v2", second)
