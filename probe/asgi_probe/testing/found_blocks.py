"""What a long run of a handle was: the user's line, the call below it, the cause, and how much of
it the code itself took."""

from __future__ import annotations

import os
import re
import sys
from asyncio import Task, events
from collections import defaultdict
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import NamedTuple

from asgi_probe.causes import Clocks, explain_own_part
from asgi_probe.function_source import is_library
from asgi_probe.holders import Holder
from asgi_probe.routes import find_route
from asgi_probe.stacks import PROBE_HOME, RUNNER, SeenFrame, is_own_work, is_part_of

from .requests import CALL_APP
from .source_calls import find_functions, list_calls, quote_line
from .timed_thread import TimedRun

PRIMITIVES = ("threading", "queue", "concurrent.futures", "selectors")
"""In these modules threads wait for each other: their caller says more."""
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>")
"""Frames of their own before Python 3.12."""
OMITTED = re.compile(r"<(locals|(list|set|dict)comp)>\.")


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


class FoundBlock(NamedTuple):
    """own_s: seconds without excused_s, the machine's part. has_delays: the kernel reports how long
    threads wait for a core. site: None without a stack sample; site_s: its part of own_s."""

    own_s: float
    excused_s: float
    has_delays: bool
    cause: str
    route: str | None
    site: BlockSite | None
    site_s: float
    task: str
    holder: Holder | None


class RunUsage(NamedTuple):
    """Seconds within a run. unseen_s: the sampler waited for the GIL. excused_s: the machine's
    part. holder: the thread that may have held the GIL."""

    gc_s: float
    unseen_s: float
    excused_s: float
    holder: Holder


class SiteTimes:
    """Seconds of all samples of one site. own_s: without run delay."""

    own_s = 0.0
    cpu_s = 0.0


class BlockFinder:
    """user_root: the folder of the user's code."""

    def __init__(self, user_root: Path) -> None:
        self._root = str(user_root).rstrip(os.sep) + os.sep

    def find(
        self, run: TimedRun, usage: RunUsage, allow: Sequence[str], max_s: float
    ) -> FoundBlock | None:
        """Return the block if it is longer than max_s without what `allow` names."""
        own_s = run.ended_s - run.start.began_s - usage.excused_s
        sites = self._sum_sites(run, allow)
        sampled_s = sum(each.own_s for each in sites.values())
        allowed = sites.pop(None, None)
        if allowed is not None and sampled_s:
            own_s *= 1 - allowed.own_s / sampled_s
        if own_s <= max_s:
            return None
        known = {site: times for site, times in sites.items() if site is not None}
        site = max(known, key=lambda each: known[each].own_s) if known else None
        site_s, cpu_s = own_s, run.cpu_s
        if site is not None and len(known) > 1:
            site_s, cpu_s = min(own_s, known[site].own_s), known[site].cpu_s
        unseen_s = min(usage.unseen_s, site_s)  # the rest is part of excused_s
        clocks = Clocks(site_s, cpu_s, 0.0, unseen_s, 0.0, usage.gc_s, usage.holder.cpu_s)
        cause = explain_own_part(clocks, site_s, max_s / 2)
        return FoundBlock(
            own_s, usage.excused_s, run.waited_s == run.waited_s, cause, describe_route(run, site),
            site, site_s, describe_callback(run), usage.holder if cause == "gil" else None,
        )  # fmt: skip

    def _sum_sites(self, run: TimedRun, allow: Sequence[str]) -> dict[BlockSite | None, SiteTimes]:
        """Return the times of each site; None stands for what is allowed, and for a probe in the
        app. A sample has the time since the one before it: what locks out the sampler is sampled at
        its end."""
        sites: dict[BlockSite | None, SiteTimes] = defaultdict(SiteTimes)
        at_s, cpu_s, waited_s = run.start.began_s, *run.start.clocks[1:3]
        for sample in run.samples:
            stack = cut_stack(sample.stack)
            if stack:
                is_bare = is_bare_callback(stack)
                site = self.locate_callback(run, stack) if is_bare else self.locate(stack)
                more = [site.call] if is_bare else []
                is_ours = any(is_own_work(code) for code, _, _ in stack)
                times = sites[None if is_ours or is_allowed(stack, allow, more) else site]
                delay_s = sample.waited_s - waited_s
                times.own_s += sample.at_s - at_s - (0.0 if delay_s != delay_s else delay_s)
                times.cpu_s += sample.cpu_s - cpu_s
            at_s, cpu_s, waited_s = sample.at_s, sample.cpu_s, sample.waited_s
        return sites

    def locate(self, stack: Sequence[SeenFrame]) -> BlockSite:
        own = next((at for at, each in enumerate(stack) if self.is_own(each[0].co_filename)), 0)
        code, line, names = stack[own]
        around = (each for each in stack[own:] if each[0].co_name not in COMPREHENSIONS)
        function = get_name(next(around, stack[own]))
        file, line = code.co_filename, line or code.co_firstlineno
        calls = list_calls(file, line, names)
        call = calls[0] if len(calls) == 1 else quote_line(file, line)
        in_request = any(is_probe(frame, CALL_APP) for frame in stack)
        below = describe_below(stack[:own])
        return BlockSite(self.shorten(file), line, function, call, below, in_request)

    def locate_callback(self, run: TimedRun, stack: Sequence[SeenFrame]) -> BlockSite:
        """Locate a callback in C, such as time.sleep, of which the stack shows nothing. In its
        debug mode asyncio keeps the stack that scheduled it."""
        call = describe_callback(run).partition(" (")[0]
        for each in reversed(getattr(run.start.handle, "_source_traceback", None) or ()):
            if self.is_own(each.filename):
                return BlockSite(
                    self.shorten(each.filename), each.lineno, each.name, call, "", False
                )
        return self.locate(stack)._replace(call=call)

    def is_own(self, file: str) -> bool:
        return file.startswith(self._root) and not is_library(file)

    def shorten(self, file: str) -> str:
        return file[len(self._root) :] if self.is_own(file) else file


def cut_stack(stack: Sequence[SeenFrame]) -> Sequence[SeenFrame]:
    """Return the frames inside the handle."""
    at = next((at for at, frame in enumerate(stack) if is_probe(frame, RUNNER)), 0)
    return stack[:at]


def is_bare_callback(stack: Sequence[SeenFrame]) -> bool:
    """Return True if only asyncio's own frame is there: a probe in the app may add some of its."""
    return stack[0][0].co_filename == events.__file__ and all(
        frame[0].co_filename.startswith(PROBE_HOME) for frame in stack[1:]
    )


def is_probe(frame: SeenFrame, function: str) -> bool:
    return frame[0].co_name == function and frame[0].co_filename.startswith(PROBE_HOME)


def get_name(frame: SeenFrame) -> str:
    code = frame[0]
    name: str | None = getattr(code, "co_qualname", None)  # from Python 3.11 on
    if name is not None:
        return OMITTED.sub("", name)
    known = find_functions(code.co_filename)
    return known.get((code.co_firstlineno, code.co_name), code.co_name)


def describe_below(library: Sequence[SeenFrame]) -> str:
    """Describe the innermost library frame that is no mere primitive; "" without one."""
    modules = [str(names.get("__name__")) for _, _, names in library]
    at = next((at for at, each in enumerate(modules) if not is_part_of(each, PRIMITIVES)), 0)
    if not library:
        return ""
    code, line, names = library[at]
    calls = list_calls(code.co_filename, line or 0, names) if at == 0 else []
    inner = f": {calls[0]}" if len(calls) == 1 else ""
    return f"{modules[at]}.{get_name(library[at])} ({Path(code.co_filename).name}:{line}){inner}"


def is_allowed(stack: Sequence[SeenFrame], allow: Sequence[str], more: Sequence[str]) -> bool:
    """Return True if a function on the stack, a call in its innermost line, or one of `more`,
    matches a pattern such as "module.function" or "module.*"."""
    if not allow:
        return False
    code, line, names = stack[0]
    found = [*more, *list_calls(code.co_filename, line or 0, names)]
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
    callback: object = run.start.handle._callback  # type: ignore[attr-defined]
    try:
        return name_callback(callback)
    except Exception:  # a proxy may do anything
        return type(callback).__name__


def name_callback(callback: object) -> str:
    while isinstance(callback, partial):
        callback = callback.func
    task = getattr(callback, "__self__", None)
    coroutine = task.get_coro() if isinstance(task, Task) else callback
    name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    module = sys.modules.get(getattr(coroutine, "__module__", None) or "")
    code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "__code__", None)
    where = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"{module.__name__ + '.' if module else ''}{name}{where}"
