"""What a long run of a handle was: the user's line, the call below it, the cause, and how much of
it the code itself took."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from ..causes import BlockClocks, find_cause
from ..holders import Holder
from ..routes import find_route
from ..stacks import PROBE_HOME, RUNNER, SeenFrame
from .loop_threads import TimedRun
from .requests import CALL_APP
from .source_calls import list_calls, quote_line

PRIMITIVES = ("threading", "queue", "concurrent.futures", "selectors")
"""In these modules threads wait for each other: their caller says more."""
NOT_OWN = ("site-packages", "dist-packages")


class BlockSite(NamedTuple):
    """file, function: the user's innermost line, or a library's if there is none of the user's.
    call: what that line calls. below: what really blocks below it, if that is another function.
    in_request: an app's call is on the stack."""

    file: str
    line: int
    function: str
    call: str
    below: str
    in_request: bool


class LoopBlock(NamedTuple):
    """own_s: seconds without the run delay, pauses and other parts that are the machine's.
    delay_s: run delay, NaN if the kernel keeps none. site: None without a stack sample."""

    own_s: float
    delay_s: float
    cause: str
    route: str | None
    site: BlockSite | None
    task: str
    holder: Holder | None


class BlockUsage(NamedTuple):
    """Seconds within a run. excused_s: the machine's part except the run delay."""

    gc_s: float
    unseen_s: float
    excused_s: float
    holder: Holder


class BlockFinder:
    """user_root: the folder of the user's code."""

    def __init__(self, user_root: Path) -> None:
        self._root = str(user_root)

    def find(
        self, run: TimedRun, usage: BlockUsage, allow: Sequence[str], max_s: float
    ) -> LoopBlock | None:
        """Return the block if it is longer than max_s without what `allow` names."""
        delay_s = 0.0 if run.waited_s != run.waited_s else run.waited_s
        own_s = run.ended_s - run.began_s - delay_s - usage.excused_s
        sites = self._weigh_sites(run, allow)
        total_s = sum(sites.values())
        if total_s:
            own_s *= 1 - sites.pop(None, 0.0) / total_s
        if own_s <= max_s:
            return None
        clocks = BlockClocks(run.cpu_s, usage.gc_s, usage.unseen_s, usage.holder.cpu_s)
        known = {site: seconds for site, seconds in sites.items() if site is not None}
        site = max(known, key=known.__getitem__) if known else None
        cause = find_cause(clocks, own_s, max_s / 2)
        return LoopBlock(
            own_s=own_s,
            delay_s=run.waited_s,
            cause=cause,
            route=describe_route(run, site),
            site=site,
            task=describe_callback(run),
            holder=usage.holder if cause == "gil" else None,
        )

    def _weigh_sites(self, run: TimedRun, allow: Sequence[str]) -> dict[BlockSite | None, float]:
        """Return the seconds of each site; None stands for what is allowed. A sample has the time
        since the one before it: what locks out the sampler is sampled at its end."""
        seconds: dict[BlockSite | None, float] = defaultdict(float)
        last_s = run.began_s
        for sample in run.samples:
            stack = cut_stack(sample.stack)
            if stack:
                allowed = is_allowed(stack, allow)
                seconds[None if allowed else self._locate(stack)] += sample.at_s - last_s
            last_s = sample.at_s
        return seconds

    def _locate(self, stack: Sequence[SeenFrame]) -> BlockSite:
        own = next((at for at, each in enumerate(stack) if self.is_own(each[0].co_filename)), 0)
        code, line, names = stack[own]
        file, line = code.co_filename, line or code.co_firstlineno
        calls = list_calls(file, line, names)
        call = calls[0] if len(calls) == 1 else quote_line(file, line)
        in_request = any(is_probe(frame, CALL_APP) for frame in stack)
        below = describe_below(stack[:own])
        return BlockSite(self.shorten(file), line, get_name(stack[own]), call, below, in_request)

    def is_own(self, file: str) -> bool:
        return file.startswith(self._root) and not any(each in file for each in NOT_OWN)

    def shorten(self, file: str) -> str:
        return file[len(self._root) :].lstrip("/\\") if self.is_own(file) else file


def cut_stack(stack: Sequence[SeenFrame]) -> Sequence[SeenFrame]:
    """Return the frames inside the handle."""
    at = next((at for at, frame in enumerate(stack) if is_probe(frame, RUNNER)), 0)
    return stack[:at]


def is_probe(frame: SeenFrame, function: str) -> bool:
    return frame[0].co_name == function and frame[0].co_filename.startswith(PROBE_HOME)


def get_name(frame: SeenFrame) -> str:
    name: str = getattr(frame[0], "co_qualname", frame[0].co_name)  # from Python 3.11 on
    return name.replace("<locals>.", "")


def describe_below(library: Sequence[SeenFrame]) -> str:
    """Describe the innermost library frame that is no mere primitive; "" without one."""
    modules = [str(names.get("__name__")) for _, _, names in library]
    at = next((at for at, each in enumerate(modules) if not each.startswith(PRIMITIVES)), 0)
    if not library:
        return ""
    code, line, names = library[at]
    calls = list_calls(code.co_filename, line or 0, names) if at == 0 else []
    inner = f": {calls[0]}" if len(calls) == 1 else ""
    return f"{modules[at]}.{get_name(library[at])} ({code.co_filename}:{line}){inner}"


def is_allowed(stack: Sequence[SeenFrame], allow: Sequence[str]) -> bool:
    """Return True if a function on the stack, or a call in its innermost line, matches a pattern
    such as "module.function" or "module.*"."""
    if not allow:
        return False
    code, line, names = stack[0]
    found = list_calls(code.co_filename, line or 0, names)
    for each in stack:
        module = str(each[2].get("__name__"))
        found += [f"{module}.{get_name(each)}", f"{module}.{each[0].co_name}"]
    return any(fnmatchcase(name, pattern) for name in found for pattern in allow)


def describe_route(run: TimedRun, site: BlockSite | None) -> str | None:
    """Return the route of the request in the run's context. A client in the same task
    continues with its own code after the response: then the stack must show the request."""
    if run.record is None:
        return None
    is_over = run.record.returned_s == run.record.returned_s  # not NaN
    if is_over and not (site is not None and site.in_request):
        return None
    return find_route(run.record.scope)


def describe_callback(run: TimedRun) -> str:
    """Return the coroutine of the handle's task, or its callback: all that is known without a
    sample."""
    callback: object = run.handle._callback  # type: ignore[attr-defined]
    task = getattr(callback, "__self__", None)
    coroutine = task.get_coro() if hasattr(task, "get_coro") else callback
    name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    module = sys.modules.get(getattr(coroutine, "__module__", None) or "")
    code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "__code__", None)
    where = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"{module.__name__ + '.' if module else ''}{name}{where}"
