"""Bodies: JSON and nothing else, and not too much of it. Routes without one are left as they are.

Python's own parser also takes NaN and UTF-16, and FastAPI answers 400 to what it cannot decode;
FastAPI's `max_body_size` answers in plain text.
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
TOO_LARGE = f"a body must be of {MOST_BYTES:,} bytes at most"
Handler = Callable[[Request], Coroutine[None, None, Response]]


def parse_json(body: bytes) -> JsonValue:
    """Raises JSONDecodeError, the one error of a body's that FastAPI answers with 422."""
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
    """Raises HTTPException if too much is announced."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > MOST_BYTES:
        raise HTTPException(413, TOO_LARGE)
    return StrictRequest(request.scope, limit_body(request.receive))


async def read_body(request: Request) -> bytes:
    """For an endpoint that parses it itself. Asks for no thread, whatever the endpoint's style."""
    return await wrap_request(request).body()


def limit_body(receive: Receive) -> Receive:
    """For a body whose length nobody announced. Raises HTTPException with the piece that is too
    much."""
    so_far = 0

    async def receive_limited() -> Message:
        nonlocal so_far
        message = await receive()
        so_far += len(message.get("body", b""))
        if so_far > MOST_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return receive_limited
