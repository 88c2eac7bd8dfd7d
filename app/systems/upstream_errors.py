"""One error for every upstream failure, whichever client library is in use."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from app.systems.clients.base import Library


class UpstreamError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def translate_errors(library: Library) -> Iterator[None]:
    """Turn the library's errors into UpstreamError."""
    try:
        yield
    except library.errors as error:
        is_late = library.is_timeout(error)
        status, what = (504, "upstream too late") if is_late else (502, "upstream failed")
        raise UpstreamError(status, f"{what}: {type(error).__name__}") from error


def check_body(status: int, body: bytes) -> bytes:
    if status != 200:
        raise UpstreamError(502, f"upstream answered {status}")
    return body


def add_upstream_error_handler(app: FastAPI) -> None:
    @app.exception_handler(UpstreamError)
    async def report_upstream_error(_: Request, error: UpstreamError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=error.status)
