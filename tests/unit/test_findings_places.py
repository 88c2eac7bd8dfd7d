"""The place of a stack: stacks made by the installed Starlette and FastAPI, and how they are
read."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Query, Request, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AfterValidator, BaseModel, field_serializer
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analysis.findings.evidence import RouteCode, Stack, StackFrame
from analysis.findings.framework import PROBE
from analysis.findings.places import PlaceFinder, shorten_file
from tests.unit.audit_samples import FOLDER, ROUTED, SITE, AuditBuilder, library, own

HERE = Path(__file__)
SEEN: dict[str, Stack] = {}


def capture(name: str) -> None:
    """The caller's stack, as the probe writes it: without the probe's wrappers, which tests of
    other modules leave."""
    frames, frame = [], sys._getframe(1)
    while frame is not None:
        code, module = frame.f_code, str(frame.f_globals.get("__name__"))
        if module == "asyncio.base_events":
            break
        entry = (module, code.co_filename, frame.f_lineno, code.co_name, code.co_firstlineno)
        if module.partition(".")[0] != PROBE:
            frames.append(StackFrame(*entry))
        if frame.f_back is None:
            break
        frame = frame.f_back
    SEEN[name] = tuple(frames)


def capture_name(name: str, value: str) -> str:
    """Used as a lambda's body; it leaves itself out."""
    capture(name)
    SEEN[name] = SEEN[name][1:]
    return value


@contextlib.asynccontextmanager
async def run_lifespan(_: FastAPI) -> AsyncIterator[None]:
    capture("startup")
    yield
    capture("shutdown")


app = FastAPI(lifespan=run_lifespan)


class Gate:
    """A pure ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        capture("pure-before")

        async def send_on(message: Message) -> None:
            capture(f"pure-{message['type']}")
            await send(message)

        await self.app(scope, receive, send_on if scope["type"] == "http" else send)
        capture("pure-after")


class Signing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        capture("dispatch-before")
        response = await call_next(request)
        capture("dispatch-after")
        return response


app.add_middleware(Gate)
app.add_middleware(Signing)


async def find_user() -> str:
    capture("dependency")
    return "user"


async def open_session() -> AsyncIterator[str]:
    capture("dependency-enter")
    yield "session"
    capture("teardown")


def check_code(code: str) -> str:
    capture("validator")
    return code


class Price(BaseModel):
    amount: int

    @field_serializer("amount")
    def convert(self, amount: int) -> int:
        capture("serializer")
        return amount


@app.get("/price")
async def get_price(
    user: Annotated[str, Depends(find_user)],
    session: Annotated[str, Depends(open_session)],
    code: Annotated[str, Query(), AfterValidator(check_code)] = "x",
) -> Price:
    capture("endpoint")
    return Price(amount=len(user + session + code))


class SlowResponse(JSONResponse):
    def render(self, content: object) -> bytes:
        capture("render")
        return super().render(content)


@app.get("/rendered", response_class=SlowResponse)
async def get_rendered() -> dict[str, int]:
    return {"items": 1}


@app.get("/rendered-by-itself")
async def get_own_response() -> Response:
    return SlowResponse({"items": 1})


class QuotaError(Exception): ...


@app.exception_handler(QuotaError)
async def report_quota(_: Request, __: Exception) -> JSONResponse:
    capture("exception-handler")
    return JSONResponse({}, status_code=429)


@app.exception_handler(Exception)
async def report_crash(_: Request, __: Exception) -> JSONResponse:
    capture("error-handler")
    return JSONResponse({}, status_code=500)


@app.get("/quota")
async def exceed() -> str:
    raise QuotaError


@app.get("/crash")
async def crash() -> str:
    raise LookupError


async def send_mail() -> None:
    capture("background")


@app.get("/background")
async def register(tasks: BackgroundTasks) -> str:
    tasks.add_task(send_mail)
    return "registered"


async def iterate_lines() -> AsyncIterator[str]:
    capture("stream")
    yield "line"


@app.get("/stream")
async def stream() -> StreamingResponse:
    return StreamingResponse(iterate_lines())


@app.get("/lines")
async def stream_by_itself() -> AsyncIterator[dict[str, int]]:
    capture("stream-endpoint")
    yield {"line": 1}


class Order(HTTPEndpoint):
    async def get(self, _: Request) -> PlainTextResponse:
        capture("class-endpoint")
        return PlainTextResponse("order")


class Plain:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        capture("asgi-endpoint")
        await PlainTextResponse("plain")(scope, receive, send)


app.router.routes += [Route("/order", Order), Route("/plain", Plain())]


async def fetch_part() -> None:
    capture("gather")


@app.get("/children")
async def start_children() -> str:
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def expire() -> None:
        capture("call-later")
        done.set()

    loop.call_later(0, expire)
    await asyncio.gather(fetch_part(), fetch_part())
    await done.wait()
    return "done"


@app.websocket("/rooms/{room}")
async def chat(websocket: WebSocket) -> None:
    capture("websocket")
    await websocket.accept()
    await websocket.close()


@app.get("/lambda")
async def sort_names() -> list[str]:
    return sorted(["b", "a"], key=lambda name: capture_name("lambda", name))


EXPECTED = {
    "startup": ("run_lifespan", "startup"),
    "shutdown": ("run_lifespan", "teardown"),
    "pure-before": ("__call__", "middleware"),
    "pure-after": ("__call__", "middleware"),
    "pure-http.response.start": ("send_on", "middleware"),
    "pure-http.response.body": ("send_on", "middleware"),
    "dispatch-before": ("dispatch", "middleware"),
    "dispatch-after": ("dispatch", "middleware"),
    "dependency": ("find_user", "dependency"),
    "dependency-enter": ("open_session", "dependency"),
    "teardown": ("open_session", "teardown"),
    "validator": ("check_code", "dependency"),
    "endpoint": ("get_price", "endpoint"),
    "serializer": ("convert", "response"),
    "render": ("render", "response"),
    "exception-handler": ("report_quota", "exception-handler"),
    "error-handler": ("report_crash", "exception-handler"),
    "background": ("send_mail", "background"),
    "stream": ("iterate_lines", "stream"),
    "stream-endpoint": ("stream_by_itself", "stream"),
    "class-endpoint": ("get", "endpoint"),
    "asgi-endpoint": ("__call__", "endpoint"),
    "gather": ("fetch_part", "callback"),
    "call-later": ("expire", "callback"),
    "websocket": ("chat", "websocket"),
    "lambda": ("sort_names", "endpoint"),
    "render-in-endpoint": ("render", "endpoint"),
}
"""Function and phase of the code that called `capture`."""
ROUTES = (
    "/price", "/rendered", "/quota", "/crash", "/background", "/stream", "/lines", "/order",
    "/plain", "/children", "/lambda",
)  # fmt: skip


async def ask(path: str, kind: str = "http") -> None:
    """Like a server does; the response does not matter."""
    received: list[Message] = [
        {"type": "http.request", "body": b"", "more_body": False}
        if kind == "http"
        else {"type": "websocket.connect"}
    ]

    async def receive() -> Message:
        if not received:
            await asyncio.Event().wait()
        return received.pop()

    async def send(_: Message) -> None: ...

    scope: MutableMapping[str, object] = {
        "type": kind, "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
        "method": "GET", "scheme": "http", "path": path, "raw_path": path.encode(),
        "query_string": b"code=x" if path == "/price" else b"", "root_path": "", "headers": [],
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "subprotocols": [],
    }  # fmt: skip
    with contextlib.suppress(LookupError):
        await app(scope, receive, send)


async def run_lifespan_protocol() -> None:
    messages: list[Message] = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]

    async def receive() -> Message:
        return messages.pop()

    async def send(_: Message) -> None: ...

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


async def ask_all() -> None:
    await run_lifespan_protocol()
    await ask("/rendered-by-itself")
    SEEN["render-in-endpoint"] = SEEN.pop("render")
    for route in ROUTES:
        await ask(route)
    await ask("/rooms/blue", "websocket")


@pytest.fixture(scope="module")
def seen() -> dict[str, Stack]:
    asyncio.run(ask_all())
    return SEEN


def find_route_code() -> RouteCode:
    line = chat.__code__.co_firstlineno
    return RouteCode("/rooms/{room}", str(HERE), line, "chat", "websocket")


@pytest.mark.parametrize("name", EXPECTED)
def test_the_frames_of_the_framework_say_the_phase(name: str, seen: dict[str, Stack]) -> None:
    evidence = replace(AuditBuilder().build(), endpoints=(find_route_code(),))
    evidence = replace(evidence, record=replace(evidence.record, folder=str(HERE.parent)))
    found = PlaceFinder(evidence.record.folder, evidence.endpoints).locate(seen[name], None).place
    assert found.file == HERE.name
    assert (found.function, found.phase) == EXPECTED[name]


def test_what_runs_the_loop_is_no_part_of_a_stack() -> None:
    """uvloop's own functions are not in Python: a callback's stack continues with the server's
    start and the user's main."""
    audit = AuditBuilder()
    audit.handle("/x", endpoint=f"{FOLDER}/main.py:3 answer")
    finder = PlaceFinder(FOLDER, audit.build().endpoints)
    outside = (
        library("uvicorn._compat", "asyncio_run"), library("uvicorn.server", "run"),
        own("<module>", 90),
    )  # fmt: skip
    stack = tuple(StackFrame(*each) for each in (own("expire", 12), *outside))
    place = finder.locate(stack, "/x").place
    assert (place.phase, place.line) == ("callback", 12)
    assert finder.locate(stack[1:], "/x").place.line is None


def test_a_websocket_says_its_route_by_its_endpoint(seen: dict[str, Stack]) -> None:
    evidence = replace(AuditBuilder().build(), endpoints=(find_route_code(),))
    located = PlaceFinder(evidence.record.folder, evidence.endpoints).locate(
        seen["websocket"], "/other"
    )
    assert located.place.route == "/rooms/{room}"


def test_a_class_that_serves_a_websocket_is_known_by_its_route() -> None:
    """Starlette's WebSocketEndpoint: its handlers do not name a function of it."""
    audit = AuditBuilder()
    audit.handle("/feed", endpoint=None, protocol="websocket")
    finder = PlaceFinder(FOLDER, audit.build().endpoints)
    stack = tuple(
        StackFrame(*each)
        for each in (own("on_connect", 12), library("starlette.endpoints", "dispatch"))
    )
    place = finder.locate(stack, "/feed").place
    assert (place.phase, place.line) == ("websocket", 12)
    assert finder.locate(stack[1:], "/feed").place.file is None


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("/srv/shop/orders/views.py", "orders/views.py"),
        (
            "/srv/shop/.venv/lib/python3.13/site-packages/starlette/routing.py",
            "starlette/routing.py",
        ),
        ("/usr/lib/python3.13/json/decoder.py", "json/decoder.py"),
        ("<frozen runpy>", "<frozen runpy>"),
    ],
)
def test_a_file_is_shown_from_the_root_of_what_it_belongs_to(file: str, shown: str) -> None:
    assert shorten_file(file, "/srv/shop") == shown


@pytest.mark.parametrize(
    ("others", "line"),
    [
        ([], 17),
        ([f"{SITE}/fastapi/applications.py:1100 openapi"], 17),
        ([f"{FOLDER}/main.py:3 answer"], None),
    ],
    ids=["alone", "with the framework's own route", "with the user's own code"],
)
def test_an_installed_package_that_serves_the_routes_is_the_users_code(
    others: list[str], line: int | None
) -> None:
    audit = AuditBuilder()
    for number, endpoint in enumerate([f"{SITE}/shop/main.py:10 pay", *others]):
        audit.handle(f"/{number}", endpoint=endpoint)
    finder = PlaceFinder(FOLDER, audit.build().endpoints)
    stack = (library("hashlib", "pbkdf2"), own("pay", 17, f"{SITE}/shop/main.py"), *ROUTED)
    located = finder.locate(tuple(StackFrame(*each) for each in stack), "/0")
    assert located.place.file == "shop/main.py"
    assert (located.own.line if located.own else None) == line
    neighbour = library("shop_tools.hashes", "digest"), *ROUTED
    assert finder.locate(tuple(StackFrame(*each) for each in neighbour), "/0").own is None
