"""FastAPI: three layers of BaseHTTPMiddleware that do nothing."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from truth import note_run


class FirstLayer(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)  # waits: first-layer


class SecondLayer(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)  # waits: second-layer


class ThirdLayer(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)  # waits: third-layer


app = FastAPI()
app.add_middleware(ThirdLayer)
app.add_middleware(SecondLayer)
app.add_middleware(FirstLayer)


@app.get("/ping")
async def ping() -> str:
    for label in ("first-layer", "second-layer", "third-layer"):
        note_run(label)
    return "pong"
