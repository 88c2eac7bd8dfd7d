"""Records what requests create at much CPU cost, or what outlives them: TLS contexts, clients,
database connections, engines, background tasks and threads.

The probe runs only inside the calls that create them. If a client creates a TLS context or another
client, only the outer client counts."""

from __future__ import annotations

import functools
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent import futures
from inspect import iscoroutinefunction, unwrap
from math import inf, nan
from threading import Thread, get_ident
from types import CodeType, FrameType, ModuleType
from typing import cast
from weakref import WeakKeyDictionary

from .clocks import monotonic
from .executors import find_adjusting
from .import_hook import ModuleFinder
from .journal import STACK, Columns, ProbeJournal, make_packer
from .makers import MAKERS, TASK, Call, Maker, is_task, replace_attribute, wrap_task
from .request_record import RequestRecord, current, work_spans
from .routes import find_function
from .stacks import MOST_READ, SeenFrame, StackTexts

MADE: Columns = (
    ("visit", "u4"),
    ("at_s", "f8"),
    ("kind", "text"),
    ("took_s", "f8"),
    ("cpu_s", "f8"),
    ("stack", "text"),
)
THREAD, EXECUTOR_THREAD, END = "thread", "executor thread", " end"
"""A thread has one row for its start and one of kind "thread end", with its lifetime as took_s. The
stack of an executor's thread is that of the code that created the executor."""
pack = make_packer(MADE)
log = logging.getLogger("probe")
read_cpu_s: Callable[[], float] = getattr(time, "thread_time", lambda: nan)


making: set[int] = set()
"""Idents of the threads that run inside a maker."""


class MadeLog:
    """Rows of one process, from any thread; only the watchdog calls `write_ended`."""

    def __init__(self, journal: ProbeJournal) -> None:
        self._journal = journal
        self._texts = StackTexts()
        self._threads: dict[Thread, tuple[int, float, str, int]] = {}
        self._executors: WeakKeyDictionary[object, tuple[int, int]] = WeakKeyDictionary()

    def note(self, record: RequestRecord, kind: str, began_s: float, cpu_s: float) -> None:
        """Record a created object. Call inside the wrapper of its maker."""
        took_s = monotonic() - began_s
        self._add(record.number, began_s, kind, took_s, cpu_s, self._intern_stack())

    def note_task(self, record: RequestRecord, task: object) -> None:
        """Record a background task; its stack is only the task's function."""
        given = getattr(task, "func", getattr(task, "fn", None))
        if is_task(type(given)):
            return  # it is recorded when it runs
        function = find_function(given, "")
        own = unwrap(function) if callable(function) else None
        code, names = getattr(own, "__code__", None), getattr(own, "__globals__", {})
        if isinstance(code, CodeType):
            stack = self._texts.format_stack([(code, code.co_firstlineno, names)])
            text = self._journal.intern_text(stack, STACK)
            self._add(record.number, monotonic(), TASK, nan, nan, text)

    def note_executor(self, record: RequestRecord, executor: object) -> None:
        self._executors[executor] = record.number, self._intern_stack()

    def note_thread(self, thread: Thread, record: RequestRecord | None, starter: FrameType) -> None:
        """Record a thread's start. Skip threads of executors created outside a request, whose size
        bounds them, and anyio's, which its tokens bound and which end when idle."""
        if str(type(thread).__module__).startswith("anyio."):
            return
        adjusting = find_adjusting(starter)
        if adjusting is not None:
            made = self._executors.get(adjusting.f_locals.get("self"))
            kind = EXECUTOR_THREAD
        else:
            kind = THREAD
            made = None if record is None else (record.number, self._intern_stack())
        if made is not None:
            visit, stack = made
            began_s = monotonic()
            self._threads[thread] = visit, began_s, kind, stack
            self._add(visit, began_s, kind, nan, nan, stack)

    def write_ended(self) -> None:
        for thread in [each for each in list(self._threads) if not each.is_alive()]:
            visit, began_s, kind, stack = self._threads.pop(thread)
            now_s = monotonic()
            self._add(visit, now_s, kind + END, now_s - began_s, nan, stack)

    def _add(
        self, visit: int, at_s: float, kind: str, took_s: float, cpu_s: float, stack: int
    ) -> None:
        text = self._journal.intern_text(kind)
        self._journal.add("m", pack(visit, at_s, text, took_s, cpu_s, stack))

    def _intern_stack(self) -> int:
        frames: list[SeenFrame] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and len(frames) < MOST_READ:
            frames.append((frame.f_code, frame.f_lineno, frame.f_globals))
            frame = frame.f_back
        return self._journal.intern_text(self._texts.format_stack(frames), STACK)


known_errors: set[type[Exception]] = set()  # each is logged once
open_logs: list[MadeLog] = []
"""The log of this process, while its watchdog runs."""


def open_log(journal: ProbeJournal) -> MadeLog:
    open_logs[:] = [MadeLog(journal)]
    return open_logs[0]


def close_log(each: MadeLog) -> None:
    if each in open_logs:
        open_logs.remove(each)


def note_safely(note: Callable[[MadeLog], None]) -> None:
    """Write to the log, without an object that causes an error, such as one without a hash."""
    each = open_logs[0] if open_logs else None
    try:
        if each is not None:
            note(each)
    except Exception as error:
        if type(error) not in known_errors:
            known_errors.add(type(error))
            log.error("some created objects are not recorded: %r", error, exc_info=error)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_logs.clear)  # a child has no watchdog that writes rows


def find_record() -> RequestRecord | None:
    """Return the request that this thread works for. Executors do not carry the context over."""
    record = current.get() if open_logs else None
    if record is None and open_logs:
        span = work_spans.get(get_ident())
        record = span.record if span is not None and span.ended_s == inf else None
    return record


def instrument_makers() -> None:
    """Wrap the makers in imported modules, and in other modules on import; once per process."""
    if hasattr(Thread.start, "probe_original"):
        return
    for owner, name, wrap in (
        (Thread, "start", wrap_thread_start),
        (futures.ThreadPoolExecutor, "__init__", wrap_executor_init),
    ):
        replace_attribute(owner, name, wrap)
    names = {each.module for each in MAKERS}
    sys.meta_path.insert(0, ModuleFinder(dict.fromkeys(names, wrap_makers)))
    for name in names & set(sys.modules):
        wrap_makers(sys.modules[name])


def wrap_makers(module: ModuleType) -> None:
    """Wrap a module's makers; another version of the library may lack some of them."""
    for maker in (each for each in MAKERS if each.module == module.__name__):
        owner = getattr(module, maker.owner, None) if maker.owner else module
        if owner is not None:
            replace_attribute(owner, maker.name, choose_wrapper(maker))


def choose_wrapper(maker: Maker) -> Callable[[Call], Call]:
    if maker.kind == TASK:
        return functools.partial(wrap_task, note=note_task)
    return functools.partial(wrap_maker, maker=maker)


def wrap_maker(original: Call, maker: Maker) -> Call:
    if iscoroutinefunction(original):
        return wrap_awaited_maker(original, maker)

    def make(*args: object, **options: object) -> object:
        record, ident = find_record(), get_ident()
        is_shared = bool(maker.shares) and options.get(maker.shares) is not None
        if record is None or ident in making or is_shared:
            return original(*args, **options)
        making.add(ident)
        began_s, cpu_s = monotonic(), read_cpu_s()
        try:
            return original(*args, **options)
        finally:
            spent_s = read_cpu_s() - cpu_s
            making.discard(ident)
            note_safely(lambda each: each.note(record, maker.kind, began_s, spent_s))

    return make


def wrap_awaited_maker(original: Call, maker: Maker) -> Call:
    """Wrap a coroutine function. Its CPU is unknown: the loop does other work meanwhile."""

    async def make(*args: object, **options: object) -> object:
        record, began_s = find_record(), monotonic()
        try:
            return await cast("Awaitable[object]", original(*args, **options))
        finally:
            if record is not None:
                note_safely(lambda each: each.note(record, maker.kind, began_s, nan))

    return make


def note_task(task: object) -> None:
    record = find_record()
    if record is not None:
        note_safely(lambda each: each.note_task(record, task))


def wrap_thread_start(original: Call) -> Call:
    def start(thread: Thread) -> None:
        original(thread)
        if open_logs:
            record, starter = find_record(), sys._getframe(1)
            note_safely(lambda each: each.note_thread(thread, record, starter))

    return cast(Call, start)


def wrap_executor_init(original: Call) -> Call:
    def init(executor: object, *args: object, **options: object) -> None:
        original(executor, *args, **options)
        record = find_record()
        if record is not None:
            note_safely(lambda each: each.note_executor(record, executor))

    return init
