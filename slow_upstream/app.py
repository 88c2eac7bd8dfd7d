"""The ASGI application: it waits, then responds with the requested wait."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict

from starlette.types import Receive, Scope, Send

from slow_upstream.checks import RefusedValueError, parse_wait_ms
from slow_upstream.delays import ResponsePlanner
from slow_upstream.ledger import UpstreamCounters, clean_request_id

PLAIN = b"text/plain; charset=utf-8"
# uvloop's timers count whole milliseconds from a clock rounded down, so they may fire up to 1 ms
# early. An early response would break the contract; one that is 1 ms late does not.
TIMER_STEP_S = 0.001


class SlowUpstream:
    def __init__(
        self, planner: ResponsePlanner, counters: UpstreamCounters, default_ms: int
    ) -> None:
        self.planner = planner
        self.counters = counters
        self.default_ms = default_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] not in ("/", "/stats"):
            await respond(send, 404, "Not found: there is only / and /stats")
        elif scope["method"] != "GET":
            await respond(send, 405, "Only GET is allowed", PLAIN, (b"allow", b"GET"))
        elif scope["path"] == "/stats":
            stats = json.dumps(asdict(self.counters.take_snapshot()))
            await respond(send, 200, stats, b"application/json")
        else:
            await self.respond_after_delay(scope, receive, send)

    async def respond_after_delay(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            mean_ms = parse_wait_ms(scope["query_string"], self.default_ms)
        except RefusedValueError as error:
            self.counters.reject()
            await respond(send, 400, str(error))
            return
        plan = self.planner.plan_response(mean_ms)
        held = self.counters.record_arrival(find_request_id(scope["headers"]), plan.asked_ms)
        # Count first, then send: a client that has the response must find it in /stats.
        if not await wait_unless_disconnected(receive, plan.asked_ms / 1000):
            self.counters.record_end(held, "dropped")
        elif plan.fails:
            self.counters.record_end(held, "500")
            await respond(send, 500, f"Planned error after {plan.asked_ms} milliseconds")
        else:
            self.counters.record_end(held, "200")
            await respond(send, 200, f"Waited for {plan.asked_ms} milliseconds")


def find_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id":
            return clean_request_id(value.decode("latin-1"))
    return ""


async def wait_unless_disconnected(receive: Receive, wait_s: float) -> bool:
    """Wait for `wait_s`. Return False if the client disconnects first."""
    if wait_s == 0:
        return True
    try:
        async with asyncio.timeout(wait_s + TIMER_STEP_S):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return True
    return False


async def respond(
    send: Send, status: int, text: str, content_type: bytes = PLAIN, *more: tuple[bytes, bytes]
) -> None:
    body = text.encode()
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode("ascii")),
        # The body repeats a refused value: a browser must not treat it as a page.
        (b"x-content-type-options", b"nosniff"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
