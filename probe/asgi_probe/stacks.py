"""Stacks of other threads, and their text in the journal: a JSON list of frames, innermost first,
each [module, file, line, function, first line]. It has frames of the probe only if the probe itself
works there."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, repeat, starmap, takewhile
from json import dumps  # a name of its own: a test of the app may patch json.dumps
from operator import attrgetter, getitem, truth
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Optional, TypeVar, cast

PROBE_HOME = f"{Path(__file__).parent}{os.sep}"
RUNNER = "run_handle"
"""The name of the probe's function that runs a handle."""
OWN_WORK = frozenset(
    f"{PROBE_HOME}{name}.py"
    for name in (
        "attach_report", "journal", "loop_monitor", "metrics_feed", "recorder", "relay", "session",
        "watchdog",
    )
)  # fmt: skip
STARTER = "_start"
"""These files, and the function that starts a probe, never call the app: what runs below them is
the probe's own work. All others sit between the app and its callees."""
MOST_FRAMES = 120
"""Of a longer stack, such as that of a recursion, the middle is left out: its outer frames show the
endpoint."""
MOST_READ = 2_000
MOST_STACKS = 2_000
"""Distinct stacks kept per process."""

T = TypeVar("T")
Line = tuple[str, CodeType, int]
"""File, code and line. Equal functions at the same line of two files have equal code objects."""
SeenFrame = tuple[CodeType, Optional[int], dict[str, Any]]
"""Code, line and globals."""
get_attribute = cast("Callable[[Any, Any], Any]", getattr)
read_frame = attrgetter("f_code", "f_lineno", "f_globals")
has_gil: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
COLLECTS_ANYWHERE = sys.version_info < (3, 12)
"""True if any allocation may start a garbage collection, which may run Python code."""


def read_stack(ident: int) -> list[SeenFrame]:
    """Return a thread's frames, innermost first; empty if the thread has ended."""
    return read_at_once(map(read_frame, iterate_frames(ident)))


def has_ended(ident: int) -> bool:
    """Return True for a thread without frames; False without the GIL, when none is read."""
    return has_gil() and not read_stack(ident)


def iterate_frames(ident: int) -> Iterator[FrameType]:
    """Return an iterator over a thread's frames, innermost first; `read_at_once` reads them."""
    top = map(getitem, starmap(sys._current_frames, ((),)), (ident,))
    steps = chain(top, repeat("f_back", MOST_READ))
    frames: Iterator[FrameType] = takewhile(truth, accumulate(steps, get_attribute))
    return frames


def read_at_once(values: Iterator[T]) -> list[T]:
    """Exhaust a C iterator over a thread's frames; return an empty list after a KeyError.

    One call into C, which cannot lose the GIL. Otherwise the thread may run on and free its frames
    under the reader (Python 3.11: occasional segmentation faults). Without a GIL it always may, so
    nothing is read.
    """
    if not has_gil():
        return []
    pauses = COLLECTS_ANYWHERE and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        return list(values)
    except KeyError:
        return []
    finally:
        if pauses:
            gc.enable()


def is_part_of(module: str, packages: Iterable[str]) -> bool:
    """Return True for one of some modules, or a module inside one of them."""
    return any(module == each or module.startswith(f"{each}.") for each in packages)


def is_own_work(code: CodeType) -> bool:
    file = code.co_filename
    return file in OWN_WORK or (code.co_name == STARTER and file.startswith(PROBE_HOME))


class StackTexts:
    """Cache of the texts of stacks."""

    def __init__(self) -> None:
        self._texts: dict[tuple[Line, ...], str] = {}

    def format_stack(self, stack: Sequence[SeenFrame]) -> str | None:
        """Return a stack's text; None if it is empty, or if MOST_STACKS texts exist."""
        lines: list[Line] = []
        modules: list[object] = []
        for code, line, names in stack:
            if not code.co_filename.startswith(PROBE_HOME) or is_own_work(code):
                lines.append((code.co_filename, code, line or code.co_firstlineno))
                modules.append(names.get("__name__"))
            elif code.co_name == RUNNER:  # the frames outside it are the loop's
                break
        if len(lines) > MOST_FRAMES:
            for each in (lines, modules):
                del each[MOST_FRAMES // 2 : -MOST_FRAMES // 2]
        key = tuple(lines)
        text = self._texts.get(key)
        if text is None and lines and len(self._texts) < MOST_STACKS:
            text = self._texts[key] = dumps(
                [
                    [str(module), file, line, code.co_name, code.co_firstlineno]
                    for module, (file, code, line) in zip(modules, lines)
                ]
            )
        return text
