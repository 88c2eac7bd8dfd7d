"""The app behind a BaseHTTPMiddleware that logs threads, as in the original study."""

import threading
from collections.abc import Awaitable, Callable

import structlog
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response

from app.main import app as plain

log = structlog.get_logger("threads")


async def log_threads(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    log.info("started", path=request.url.path, active=threading.active_count())
    response = await call_next(request)
    log.info("finished", path=request.url.path, thread=threading.get_ident())
    return response


app = BaseHTTPMiddleware(plain, dispatch=log_threads)
