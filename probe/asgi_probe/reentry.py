"""Handles that a loop runs inside another of its own handles, as nest_asyncio lets it. The outer
one occupies the loop only before, between and after the loop's runs inside it."""

from __future__ import annotations

import sys
from asyncio import events
from collections.abc import Callable, Sequence
from itertools import takewhile
from types import FrameType
from typing import TYPE_CHECKING

from .clocks import monotonic
from .stacks import RUNNER, SeenFrame

if TYPE_CHECKING:
    from .blocks import LoopWatch

STEP = "_run_once"
"""The method in which a loop of asyncio waits, and then runs the handles that are ready."""


def run_inside(
    run: Callable[[events.Handle], None], handle: events.Handle, watch: LoopWatch
) -> None:
    """Run a handle while another one of its loop is running, which `watch` then goes on to time."""
    outer, inner_run = watch.running, find_loop_run()
    watch.running = None
    if inner_run is not watch.inner_run:  # otherwise the loop has waited since the last handle
        watch.note_end(outer, watch.began_s, monotonic())
    try:
        run(handle)
    finally:
        watch.inner_run = inner_run
        watch.began_s = monotonic()
        watch.running = outer


def find_loop_run() -> FrameType | None:
    """Return the frame, such as of `run_until_complete`, in which the innermost loop runs."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != STEP:
        frame = frame.f_back
    return None if frame is None else frame.f_back


def is_between(watch: LoopWatch, stack: Sequence[SeenFrame]) -> bool:
    """Return True if the loop, run inside a handle, is between two others, and so may wait."""
    names = (code.co_name for code, _, _ in stack)
    return watch.inner_run is not None and STEP in takewhile(RUNNER.__ne__, names)
