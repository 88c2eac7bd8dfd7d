"""Passes the caller's x-request-id to the upstream, so that all logs show the same request id."""

from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

request_id: ContextVar[str] = ContextVar("request_id", default="")


class RequestIdMiddleware:
    """Middleware that stores the id in a context variable. anyio copies the context into its worker
    threads, so a `def` endpoint sees the same value."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"x-request-id", b"")
            request_id.set(given.decode() if given.isascii() else "")
        await self.app(scope, receive, send)


def build_trace_headers() -> dict[str, str]:
    return {"x-request-id": request_id.get()} if request_id.get() else {}
