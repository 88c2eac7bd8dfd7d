"""One small endpoint behind LAYERS middlewares that do nothing, written in two ways."""

from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

LAYERS = 5


class PureMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class BaseMiddleware(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


def add_layers(app: FastAPI) -> None:
    for name, layer, count in (
        ("none", PureMiddleware, 0),
        ("pure", PureMiddleware, LAYERS),
        ("base", BaseMiddleware, LAYERS),
    ):
        app.mount(f"/layers/{name}", create_layered_app(layer, count))


def create_layered_app(layer: type[PureMiddleware] | type[BaseMiddleware], count: int) -> FastAPI:
    app = FastAPI()
    for _ in range(count):
        app.add_middleware(layer)

    @app.get("/ping", response_model=None)
    async def ping() -> Response:
        return PlainTextResponse("pong")

    return app
