"""Quart: what blocks around its views. Its `def` views run in asyncio's default executor."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from time import monotonic

from quart import Blueprint, Quart, Response, g, request, websocket
from truth import measure, note_wait

WAIT_S, WORK_S = 0.12, 0.4
app = Quart(__name__)
shop = Blueprint("shop", __name__)


@app.get("/ping")
async def ping() -> str:
    return "pong"


@app.get("/items/<int:number>")
async def get_item(number: int) -> str:
    with measure("quart-item"):
        time.sleep(WAIT_S)  # blocks: quart-item
    return str(number)


@shop.get("/orders/<order>")
async def show_order(order: str) -> str:
    with measure("quart-order"):
        time.sleep(WAIT_S)  # blocks: quart-order
    return order


app.register_blueprint(shop, url_prefix="/shop")


@app.before_request
async def check_key() -> None:
    g.asked_s = monotonic()
    if request.path == "/before":
        with measure("quart-before"):
            time.sleep(WAIT_S)  # blocks: quart-before


@app.get("/before")
async def open_door() -> str:
    return "open"


@app.after_request
async def sign(response: Response) -> Response:
    if request.path == "/after":
        with measure("quart-after"):
            time.sleep(WAIT_S)  # blocks: quart-after
    return response


@app.get("/after")
async def get_signed() -> str:
    return "signed"


@app.teardown_request
async def close_session(_: BaseException | None) -> None:
    if "session" in g:
        with measure("quart-teardown"):
            time.sleep(WAIT_S)  # blocks: quart-teardown


@app.get("/session")
async def use_session() -> str:
    g.session = "session"
    return "used"


@app.errorhandler(LookupError)
async def report_missing(error: LookupError) -> tuple[str, int]:
    with measure("quart-handler"):
        time.sleep(WAIT_S)  # blocks: quart-handler
    return str(error), 404


@app.get("/missing")
async def fail() -> str:
    raise LookupError("nothing there")


async def send_mail() -> None:
    with measure("quart-task"):
        time.sleep(WAIT_S)  # blocks: quart-task


@app.get("/register")
async def register() -> str:
    app.add_background_task(send_mail)
    return "registered"


async def iterate_chunks() -> AsyncIterator[bytes]:
    yield b"begin"
    with measure("quart-stream"):
        time.sleep(WAIT_S)  # blocks: quart-stream
    yield b"end"


@app.get("/stream")
async def download() -> Response:
    return Response(iterate_chunks())


@app.websocket("/talk")
async def talk() -> None:
    text = await websocket.receive()
    with measure("quart-socket"):
        time.sleep(WAIT_S)  # blocks: quart-socket
    await websocket.send(text)


@app.get("/view")
def sleep_in_thread() -> str:
    note_wait("quart-view", g.asked_s)
    time.sleep(WORK_S)  # holds: view
    return "slept"  # waits: quart-view


@app.before_serving
async def load_data() -> None:
    with measure("quart-startup"):
        time.sleep(0.4)  # blocks: quart-startup
