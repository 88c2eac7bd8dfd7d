"""Trial that runs one route's endpoint, an `async def` without an await, in threads."""

from __future__ import annotations

import logging
import re
import threading
from asyncio import AbstractEventLoop

from .endpoint_code import describe_place, find_obstacle
from .offload import Call, offloads
from .offload_hooks import offload_endpoint_classes, offload_fastapi
from .routes import Scope, find_route
from .thread_hazards import find_hazards
from .tried_change import TriedChange, Update

THREAD_WORDS = (
    "no running event loop", "no current event loop", "different event loop", "different loop",
    "loop other than the current", "any asynchronous event loop", "not in async context",
    "in that same thread", "a different thread", "main thread",
)  # fmt: skip
"""Parts of error texts that mean a call in the wrong thread: those of asyncio, anyio, sniffio,
sqlite3, greenlet and signal."""


CONVERTOR = re.compile(r":\w+\}")
log = logging.getLogger("probe")


class OffloadChange(TriedChange):
    """Change that runs the endpoint of one route in threads."""

    def __init__(self, route: str, update: Update) -> None:
        super().__init__(f"no request ran the endpoint of {route} in a thread", update)
        self.route = drop_convertors(route)
        self._lock = threading.Lock()

    def apply(self, _: AbstractEventLoop, *, serves: bool) -> None:
        if serves and self not in offloads:
            offload_fastapi()
            offload_endpoint_classes()
            offloads[:] = [self]

    def look_back(self, scope: Scope) -> None:
        if not self.applied and scope["type"] == "http" and self.matches(scope):
            obstacle = find_obstacle(scope.get("endpoint"), str(scope["method"]))
            if obstacle is not None:
                self.reject(obstacle)

    def matches(self, scope: Scope) -> bool:
        return drop_convertors(find_route(scope)) == self.route

    def note_run(self, function: Call) -> None:
        """Call in the thread."""
        if self.applied:
            return
        with self._lock:
            if not self.applied:
                self.warnings = find_hazards_safely(function)
                self.note_applied()

    def note_failure(self, error: BaseException) -> None:
        """Reject the change if the thread caused the error, whose text may contain a secret."""
        text = str(error).lower()
        is_answer = hasattr(error, "status_code")  # an HTTPException is a response
        if not is_answer and any(word in text for word in THREAD_WORDS):
            kind, place = type(error).__qualname__, error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = "" if place is None else describe_place(place.tb_frame.f_code, place.tb_lineno)
            self.reject(f"the endpoint of {self.route} fails in a thread: {kind} in {where}")


def drop_convertors(route: str) -> str:
    """Return a route as in an OpenAPI document: {number} for the app's {number:int}."""
    return CONVERTOR.sub("}", route) if ":" in route else route


def find_hazards_safely(function: Call) -> list[str]:
    try:
        return find_hazards(function)
    except Exception as error:  # the app must not be affected
        log.error("the probe cannot analyze an endpoint's code: %r", error, exc_info=error)
        return []
