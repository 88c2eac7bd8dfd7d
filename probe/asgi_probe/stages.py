"""Finds the stage of a request that offloads a call, from the code that requests the thread."""

from __future__ import annotations

from types import CodeType, FrameType

STAGES = {
    ("starlette.routing", "app"): "endpoint",
    ("starlette.endpoints", "dispatch"): "endpoint",
    ("fastapi.routing", "run_endpoint_function"): "endpoint",
    ("fastapi.routing", "serialize_response"): "response",
    ("fastapi.dependencies.utils", "solve_dependencies"): "dependency",
    ("fastapi.concurrency", "contextmanager_in_threadpool"): "dependency",
    ("starlette.concurrency", "iterate_in_threadpool"): "stream",
    ("starlette.background", "__call__"): "background",
}
"""By module and function. Modules and functions are those of Starlette 0.20 and FastAPI 0.100 and
later."""
FILES = ("anyio._core._fileio", "starlette.datastructures", "starlette.responses")
STAGE_OF_MODULE = {
    **dict.fromkeys((*FILES, "starlette.staticfiles"), "file"),
    "starlette._exception_handler": "exception-handler",
}
MIDDLEWARE = "starlette.middleware."
OTHER = "other"
"""A function of the app, or of another library, that requests the thread itself."""
PASSES_ON = {("starlette.concurrency", "run_in_threadpool")}
MOST_CODES = 2_000
known: dict[int, tuple[str | None, CodeType]] = {}
"""Maps id(code) to its stage, None if it only passes the call on; keeping the code prevents reuse
of its id."""


def find_stage(frame: FrameType | None) -> str:
    """frame: that requests a thread."""
    while frame is not None:
        code = frame.f_code
        found = known.get(id(code))
        if found is None:
            if len(known) >= MOST_CODES:
                known.clear()
            found = known[id(code)] = classify(str(frame.f_globals.get("__name__")), code), code
        if found[0] is not None:
            return found[0]
        frame = frame.f_back
    return OTHER


def classify(module: str, code: CodeType) -> str | None:
    place = module, code.co_name
    if place in PASSES_ON:
        return None
    if module.startswith(MIDDLEWARE):
        return "middleware"
    return STAGES.get(place) or STAGE_OF_MODULE.get(module, OTHER)
