"""The same small answer below LAYERS middlewares that do nothing, written in two ways."""

from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

LAYERS = 5


class Pure:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Base(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


def add_layers(app: FastAPI) -> None:
    for name, layer, count in (("none", Pure, 0), ("pure", Pure, LAYERS), ("base", Base, LAYERS)):
        app.mount(f"/layers/{name}", below(layer, count))


def below(layer: type[Pure] | type[Base], count: int) -> FastAPI:
    app = FastAPI()
    for _ in range(count):
        app.add_middleware(layer)

    @app.get("/ping", response_model=None)
    async def ping() -> Response:
        return PlainTextResponse("pong")

    return app
