"""Names for an app's own limiters, from the module or object that requests a token."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import FrameType

from .stacks import MOST_FRAMES


def find_limiter_name(limiter: object) -> str:
    """Return a name such as "limiter main.LIMITER" or "limiter Shop.limiter"; "" if no caller has
    the limiter in its module or its `self`. Call where a token is requested."""
    try:
        return search_frames(limiter, sys._getframe(1))
    except Exception:  # any attribute of the app's objects may raise; the app must not be affected
        return ""


def search_frames(limiter: object, frame: FrameType | None) -> str:
    seen: set[int] = set()
    for _ in range(MOST_FRAMES):
        if frame is None:
            break
        for owner, names in list_namespaces(frame):
            found = None if id(names) in seen else find_name(limiter, names)
            if found is not None:
                return f"limiter {owner}.{found}"
            seen.add(id(names))
        frame = frame.f_back
    return ""


def list_namespaces(frame: FrameType) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the namespaces of a frame's module and of its `self`. Skip anyio's frames, in which a
    limiter created before the loop runs wraps the real one."""
    module = str(frame.f_globals.get("__name__"))
    if module.startswith("anyio."):
        return
    yield module, frame.f_globals
    owner = frame.f_locals.get("self")
    names = getattr(owner, "__dict__", None)
    if isinstance(names, dict):
        yield type(owner).__name__, names


def find_name(limiter: object, names: Mapping[str, object]) -> str | None:
    """Find a limiter's name; one created before the loop runs wraps the real limiter."""
    for name in list(names):  # one call into C: another thread may add names meanwhile
        value = names.get(name)
        if value is limiter:
            return name
        is_anyios = str(type(value).__module__).startswith("anyio.")
        if is_anyios and getattr(value, "_internal_limiter", None) is limiter:
            return name
    return None
