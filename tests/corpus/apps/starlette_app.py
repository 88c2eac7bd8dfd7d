"""Plain Starlette: function, class and ASGI endpoints, templates, tasks, streams and errors."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import jinja2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from truth import measure

WAIT_S = 0.12
TEMPLATES = jinja2.Environment(
    loader=jinja2.DictLoader({
        "rows.html": "{% for row in range(rows) %}<p>{{ row * 7 }} {{ row }}</p>{% endfor %}",
    }),
    autoescape=True,
)  # fmt: skip
ROWS = TEMPLATES.get_template("rows.html")


async def ping(_: Request) -> PlainTextResponse:
    return PlainTextResponse("pong")


async def get_item(request: Request) -> JSONResponse:
    with measure("item"):
        time.sleep(WAIT_S)  # blocks: item
    return JSONResponse(request.path_params["number"])


class Order(HTTPEndpoint):
    async def get(self, _: Request) -> PlainTextResponse:
        with measure("class"):
            time.sleep(WAIT_S)  # blocks: class
        return PlainTextResponse("order")


class Plain:
    """An ASGI app as an endpoint."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with measure("asgi-endpoint"):
            time.sleep(WAIT_S)  # blocks: asgi-endpoint
        await PlainTextResponse("plain")(scope, receive, send)


async def show_rows(_: Request) -> HTMLResponse:
    with measure("template"):
        text = ROWS.render(rows=50_000)  # blocks: template
    return HTMLResponse(text[:100])


async def write_report() -> None:
    with measure("task"):
        time.sleep(WAIT_S)  # blocks: task


async def order_report(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ordered", background=BackgroundTask(write_report))


async def iterate_chunks() -> AsyncIterator[bytes]:
    yield b"begin"
    with measure("chunk"):
        time.sleep(WAIT_S)  # blocks: chunk
    yield b"end"


async def download(_: Request) -> StreamingResponse:
    return StreamingResponse(iterate_chunks())


async def fail(_: Request) -> PlainTextResponse:
    raise LookupError("nothing there")


async def report_missing(_: Request, error: Exception) -> PlainTextResponse:
    with measure("handler"):
        time.sleep(WAIT_S)  # blocks: handler
    return PlainTextResponse(str(error), status_code=404)


app = Starlette(
    routes=[
        Route("/ping", ping),
        Route("/items/{number:int}", get_item),
        Route("/order", Order),
        Route("/plain", Plain()),
        Route("/rows", show_rows),
        Route("/report", order_report),
        Route("/download", download),
        Route("/missing", fail),
    ],
    exception_handlers={LookupError: report_missing},
)
