"""The phase of a request that a stack is in, from the framework's frames around the user's code."""

from collections.abc import Callable, Sequence

from analysis.findings.evidence import RouteCode, Stack, StackFrame
from analysis.findings.framework import (
    AROUND_ENDPOINT,
    BOUNDARIES,
    CHUNKS,
    FILES,
    HANDLES,
    HANDS_OVER,
    LEAVES,
    MIDDLEWARE,
    SENDS,
    SERVERS,
    WRITES_BODY,
    BlockPhase,
    HandoverPhase,
)
from analysis.findings.source_code import read_line


def find_first(frames: Stack, matches: Callable[[StackFrame], bool], begin: int = 0) -> int | None:
    return next((i for i in range(begin, len(frames)) if matches(frames[i])), None)


def get_name(frame: StackFrame) -> str:
    """Return the name without its class and the enclosing functions."""
    return frame.function.rpartition(".")[2]


def get_boundary(frame: StackFrame) -> BlockPhase | None:
    phase = BOUNDARIES.get((frame.module, get_name(frame)))
    if phase is None and frame.module.startswith(MIDDLEWARE) and "send" not in get_name(frame):
        return "middleware"
    return phase


def is_boundary(frame: StackFrame) -> bool:
    return get_boundary(frame) is not None


def classify_phase(
    frames: Stack, own: int | None, edge: int | None, codes: Sequence[RouteCode]
) -> BlockPhase:
    """own: the user's frame; None if the stack has only library frames. edge: the nearest boundary
    outwards from it. codes: of the route."""
    phase = get_boundary(frames[edge]) if edge is not None else None
    if edge is None or phase is None or phase == "callback":
        return classify_without_framework(frames[own or 0 :], codes)
    frame, line = frames[edge], read_line(frames[edge].file, frames[edge].line)
    below = frames[edge - 1] if edge else None
    if below is not None and get_name(below) in LEAVES:
        return "teardown"
    if frame.module == "starlette.middleware.errors" and HANDLES in line:
        return "exception-handler"
    if frame.module == WRITES_BODY and own is not None and SENDS in line:
        return "middleware"
    if phase == "endpoint" and below is not None and get_name(frame) == "app":
        phase = AROUND_ENDPOINT.get(below.module, phase)
    return "websocket" if phase == "endpoint" and is_websocket(codes) else phase


def is_websocket(codes: Sequence[RouteCode]) -> bool:
    return bool(codes) and all(each.protocol == "websocket" for each in codes)


def classify_without_framework(frames: Stack, codes: Sequence[RouteCode]) -> BlockPhase:
    """Classify a stack of another framework, a bare app, a child task or a callback."""
    places = {(each.file, each.first_line) for each in codes}
    if any((each.file, each.first_line) in places for each in frames):
        return "websocket" if is_websocket(codes) else "endpoint"
    server = next((each for each in frames if each.module.startswith(SERVERS)), None)
    if server is None:
        return "callback"
    if "lifespan" in server.module:
        return "startup"
    return "middleware" if codes else "endpoint"


def classify_handover(
    frames: Stack, phase: BlockPhase | None, has_own: bool
) -> HandoverPhase | None:
    """frames: that requested a thread; phase: that they are in; has_own: the user's code is among
    them. File access after the response, or before the first one, belongs to that phase; the end of
    a framework's own context is no teardown of the user's."""
    caller = next((each for each in frames if not is_between(each)), None)
    if phase in ("background", "startup") or caller is None or (phase == "teardown" and has_own):
        return phase
    if caller.module.startswith(FILES):
        return "file"
    return "stream" if (caller.module, get_name(caller)) == CHUNKS else phase


def is_between(frame: StackFrame) -> bool:
    """Return True for a frame that only passes a call on."""
    if frame.module.startswith(FILES) or (frame.module, get_name(frame)) == CHUNKS:
        return False
    return frame.module.startswith(HANDS_OVER)
