"""Endpoints without an await, in all forms that FastAPI and Starlette call. Each records its thread
in `ran_on`."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

ran_on: list[str] = []
happened: list[str] = []
user: ContextVar[str] = ContextVar("user", default="nobody")


def note_thread() -> None:
    ran_on.append(threading.current_thread().name.split(" worker")[0])


class Item(BaseModel):
    name: str
    price: float = 1.0


class TeapotError(Exception):
    pass


async def open_session() -> AsyncIterator[str]:
    happened.append("opened")
    yield "session"
    happened.append("closed")


def open_file() -> Iterator[str]:
    try:
        yield "file"
    except HTTPException:
        happened.append("file saw it")
        raise


class Greeter:
    def __init__(self, word: str) -> None:
        self.word = word

    async def __call__(self, name: str = "you") -> dict[str, str]:
        note_thread()
        return {"greeting": f"{self.word} {name}"}

    async def greet(self, name: str = "me") -> dict[str, str]:
        note_thread()
        return {"greeting": f"{self.word} {name}"}


def make_fastapi() -> FastAPI:
    """The endpoints are defined here, so that this module resolves their annotations."""
    app, router, sub = FastAPI(), APIRouter(prefix="/router"), FastAPI()

    @app.exception_handler(TeapotError)
    def answer_teapot(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 418)

    async def report(offload: int = 1, function: str = "f") -> dict[str, object]:
        note_thread()
        return {"offload": offload, "function": function}

    async def with_model(item: str = "pen") -> object:
        note_thread()
        return {"name": item, "secret": "not in the model"}

    async def missing() -> None:
        note_thread()
        raise HTTPException(404, "No running event loop of that number", {"x-kind": "missing"})

    async def teapot() -> None:
        note_thread()
        raise TeapotError("short and stout")

    async def stop() -> None:
        note_thread()
        raise StopIteration

    async def dependent(
        response: Response,
        tasks: BackgroundTasks,
        session: str = Depends(open_session),
        file: str = Depends(open_file),
    ) -> dict[str, str]:
        note_thread()
        response.headers["x-session"] = session
        response.status_code = 202
        tasks.add_task(happened.append, f"background for {user.get()}")
        user.set("known")
        return {"file": file}

    async def refused(file: str = Depends(open_file)) -> None:
        note_thread()
        raise HTTPException(403, file)

    async def with_parts(count: int) -> int:
        note_thread()
        return count

    async def direct(request: Request) -> Response:
        note_thread()
        return PlainTextResponse(request.url.path)

    for each in (report, missing, teapot, stop, dependent, refused, direct):
        app.get(f"/{each.__name__}")(each)
    app.get("/model", response_model=Item)(with_model)
    app.get("/parts/{count}")(with_parts)
    app.get("/object")(Greeter("hello"))
    app.get("/method")(Greeter("hello").greet)
    app.get("/partial")(functools.partial(report, function="partial"))
    router.get("/report")(report)
    app.include_router(router, prefix="/outer")
    sub.get("/report")(report)
    app.mount("/sub", sub)
    return app


class Page(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        note_thread()
        return PlainTextResponse(f"page {request.method}")


async def plain(request: Request) -> Response:
    note_thread()
    return PlainTextResponse(str(request.path_params))


async def fail(_: Request) -> Response:
    note_thread()
    raise HTTPException(409, headers={"x-kind": "conflict"})


def make_starlette() -> Starlette:
    return Starlette(
        routes=[
            Route("/plain", plain),
            Route("/plain/{name}", plain),
            Route("/number/{number:int}", plain),
            Route("/fail", fail),
            Route("/partial", functools.partial(plain)),
            Route("/page", Page),
            Mount("/sub", routes=[Route("/plain", plain)]),
        ]
    )
