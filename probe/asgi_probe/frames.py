"""What blocks the loop: the route, and the innermost line of the user's own code, or of a library
that a request called with none of the user's code in between."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

from .request_record import RequestRecord, find_route

PROBE_HOME = str(Path(__file__).parent)


def find_blocking_site(thread: int, user_root: Path) -> tuple[str | None, str | None]:
    """(route, "file:line function") of what a thread is in the middle of; None where unknown.
    Inside a request, but outside the user's code (a server that writes its log), it is "module
    function" of the innermost line.

    A coroutine that is being run has its awaiters below it on the stack, so the probe's own
    frame, whose local `record` is the request's, is found there too.
    """
    innermost = frame = sys._current_frames().get(thread)
    route, site = None, None
    while frame is not None and route is None:
        if frame.f_code.co_filename.startswith(PROBE_HOME):
            record = frame.f_locals.get("record")
            if isinstance(record, RequestRecord):
                route = find_route(record.scope)
        elif site is None:
            site = format_user_frame(frame, user_root)
        frame = frame.f_back
    if site is None and route is not None and innermost is not None:
        site = f"{innermost.f_globals.get('__name__')} {innermost.f_code.co_name}"
    return route, site


def format_user_frame(frame: FrameType, user_root: Path) -> str | None:
    path = frame.f_code.co_filename
    if "site-packages" in path:
        return None
    try:
        near = Path(path).relative_to(user_root)
    except ValueError:
        return None
    return f"{near}:{frame.f_lineno} {frame.f_code.co_name}"
