"""What an app calls a limiter of its own: its name in the module, or in the object, that asks."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import FrameType

from .stacks import MOST_FRAMES


def find_limiter_name(limiter: object) -> str:
    """As "limiter main.LIMITER" or "limiter Shop.limiter"; empty where no frame that asks for a
    token has it in its module or its `self`. Call where a token is asked for."""
    try:
        return search_frames(limiter, sys._getframe(1))
    except Exception:  # the user's objects may answer anything: the app must not notice
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
    """Of the module, and of the object whose method it is; none of anyio's own, which gives a
    limiter that is made before the loop runs to another one."""
    module = str(frame.f_globals.get("__name__"))
    if module.startswith("anyio."):
        return
    yield module, frame.f_globals
    owner = frame.f_locals.get("self")
    names = getattr(owner, "__dict__", None)
    if isinstance(names, dict):
        yield type(owner).__name__, names


def find_name(limiter: object, names: Mapping[str, object]) -> str | None:
    """A limiter that is made before the loop runs stands for the loop's own."""
    for name in list(names):  # in one call into C: another thread may import something meanwhile
        value = names.get(name)
        if value is limiter:
            return name
        is_anyios = str(type(value).__module__).startswith("anyio.")
        if is_anyios and getattr(value, "_internal_limiter", None) is limiter:
            return name
    return None
