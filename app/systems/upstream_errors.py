"""One error for all that an upstream can do wrong, whichever client library asked it."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import httpx
import httpx2
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse


class UpstreamError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turns each library's own errors into ours; TimeoutError is aiohttp's."""
    try:
        yield
    except (httpx.TimeoutException, httpx2.TimeoutException, TimeoutError) as error:
        raise UpstreamError(504, f"upstream too late: {type(error).__name__}") from error
    except (httpx.HTTPError, httpx2.HTTPError, aiohttp.ClientError) as error:
        raise UpstreamError(502, f"upstream failed: {type(error).__name__}") from error


def check_body(status: int, body: bytes) -> bytes:
    if status != 200:
        raise UpstreamError(502, f"upstream answered {status}")
    return body


def add_upstream_error_handler(app: FastAPI) -> None:
    @app.exception_handler(UpstreamError)
    async def report_upstream_error(_: Request, error: UpstreamError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=error.status)
