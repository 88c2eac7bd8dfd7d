"""Request bodies: strict JSON of limited size. Routes without a body are unchanged.

Python's own parser also accepts NaN and UTF-16. FastAPI responds with 400 to a body that it cannot
decode, and its `max_body_size` responds in plain text.
"""

from collections.abc import Callable, Coroutine
from json import JSONDecodeError

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from pydantic import JsonValue
from pydantic_core import from_json
from starlette.responses import Response
from starlette.types import Message, Receive

MOST_BYTES = 65_536
TOO_LARGE = f"the body must have at most {MOST_BYTES:,} bytes"
Handler = Callable[[Request], Coroutine[None, None, Response]]


def parse_json(body: bytes) -> JsonValue:
    """Parse a body. Raises JSONDecodeError, the only body error that FastAPI turns into a 422."""
    try:
        value: JsonValue = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise JSONDecodeError(str(error), "", 0) from error
    return value


class StrictRequest(Request):
    async def json(self) -> JsonValue:
        return parse_json(await self.body())


class StrictRoute(APIRoute):
    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(wrap_request(request))

        return handle_strictly if self.body_field else handle


def wrap_request(request: Request) -> StrictRequest:
    """Limit the body. Raises HTTPException if Content-Length exceeds the limit."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > MOST_BYTES:
        raise HTTPException(413, TOO_LARGE)
    return StrictRequest(request.scope, limit_body(request.receive))


async def read_body(request: Request) -> bytes:
    """Read the body for an endpoint that parses it itself. It needs no thread in either style."""
    return await wrap_request(request).body()


def limit_body(receive: Receive) -> Receive:
    """Limit a body without Content-Length. The message that exceeds the limit raises
    HTTPException."""
    so_far = 0

    async def receive_limited() -> Message:
        nonlocal so_far
        message = await receive()
        so_far += len(message.get("body", b""))
        if so_far > MOST_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return receive_limited
