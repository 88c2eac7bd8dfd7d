"""Who holds the loop: the route, and the innermost line of the user's own code, or of a library
that a request called with none of the user's code in between."""

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
    frame, which holds the Visit, is found there too.
    """
    innermost = frame = sys._current_frames().get(thread)
    route, place = None, None
    while frame is not None:
        if place is None:
            place = format_user_frame(frame, user_root)
        visit = frame.f_locals.get("visit") if is_probe_frame(frame) else None
        if isinstance(visit, RequestRecord):
            route = find_route(visit.scope)
            break
        frame = frame.f_back
    if place is None and route is not None and innermost is not None:
        place = f"{innermost.f_globals.get('__name__')} {innermost.f_code.co_name}"
    return route, place


def is_probe_frame(frame: FrameType) -> bool:
    return frame.f_code.co_name == "__call__" and frame.f_globals.get("Visit") is RequestRecord


def format_user_frame(frame: FrameType, user_root: Path) -> str | None:
    path = frame.f_code.co_filename
    if "site-packages" in path or path.startswith(PROBE_HOME):
        return None
    try:
        near = Path(path).relative_to(user_root)
    except ValueError:
        return None
    return f"{near}:{frame.f_lineno} {frame.f_code.co_name}"
