"""Finds what a thread waits for inside its process: a connection pool, a semaphore, a lock, or its
own offloaded work. The library functions on its stack, and their `self`, give the name.

Only for threads that two samples show at one place. Objects are read from frames in one call into C
(see stacks.py): from library frames, and from the app's innermost frame for its lock."""

from __future__ import annotations

import dis
from _thread import LockType, RLock
from collections.abc import Sequence
from concurrent.futures import Future
from functools import lru_cache
from inspect import getattr_static
from itertools import islice, repeat, takewhile, tee
from operator import attrgetter, getitem
from threading import Condition, Semaphore
from types import CodeType

from .stacks import SeenFrame, is_part_of, iterate_frames, read_at_once

THE_LOOP, A_THREAD = "the event loop", "a thread of the pool"
POOLS: Sequence[tuple[str, str, str]] = (
    ("sqlalchemy.pool", "_pool.maxsize", "_max_overflow"),
    ("psycopg_pool", "max_size", ""),
    ("httpcore._sync.connection_pool", "_max_connections", ""),
    ("queue", "maxsize", ""),
)
"""Module, attribute of a pool's size, and attribute of its temporary overflow. redis, urllib3 and
other libraries wait in a queue."""
WAITERS = (
    "threading", "queue", "concurrent.futures", "sqlalchemy.util.queue", "sqlalchemy.pool",
    "psycopg_pool", "httpcore", "anyio", "asgiref",
)  # fmt: skip
"""Modules in which a thread waits for other threads."""
WAITS = ("threading", "wait")
"""The innermost function of a thread that waits for another thread, except for a bare lock."""
BEGINS = ("threading", "run")
IDLE = frozenset({("anyio._backends._asyncio", "run"), ("concurrent.futures.thread", "_worker")})
"""Functions in which a pool thread waits for its next call."""
NOISE = frozenset({"CACHE", "PRECALL", "PUSH_NULL", "COPY", "SWAP", "LOAD_SPECIAL", "NOP"})
"""Instructions between loading a lock and waiting for it."""
LOCKS = (LockType, RLock)


def name_frame(frame: SeenFrame) -> tuple[str, str]:
    """Return a frame's module and function."""
    code, _, names = frame
    return str(names.get("__name__")), code.co_name


def is_idle(stack: Sequence[SeenFrame]) -> bool:
    """Return True if a pool thread waits for its next call."""
    named = (name_frame(each) for each in stack)
    return next((each for each in named if each[0] not in ("threading", "queue")), None) in IDLE


def describe_wait(ident: int, stack: Sequence[SeenFrame]) -> str | None:
    """Return what a thread waits for, such as "QueuePool of 10"; None if it is not known."""
    try:
        if not stack or name_frame(stack[0]) != WAITS:
            return describe_lock(ident, stack)
        return describe_call(ident, stack)
    except Exception:  # any attribute of a library's or the app's object may raise
        return None


def is_waiter(frame: SeenFrame) -> bool:
    """Return True for a library function that waits for other threads; `Thread.run` is none."""
    module, function = name_frame(frame)
    return is_part_of(module, WAITERS) and (module, function) != BEGINS


def describe_call(ident: int, stack: Sequence[SeenFrame]) -> str | None:
    """Describe a wait in a library, from its outermost function that gives a name."""
    inner = list(takewhile(is_waiter, stack))
    for depth in reversed(range(len(inner))):
        (module, function), code = name_frame(inner[depth]), inner[depth][0]
        if code.co_varnames[:1] != ("self",):
            continue
        is_outermost = depth == len(inner) - 1
        found = None
        if function == "result" and is_part_of(module, ("concurrent.futures",)):
            by = None if is_outermost else name_frame(inner[depth + 1])[0]
            return describe_future(read_local(ident, depth, code, "self"), by)
        if module == "threading":
            if is_outermost:
                found = describe_primitive(read_local(ident, depth, code, "self"))
        elif is_part_of(module, (each for each, _, _ in POOLS)):
            found = describe_pool(module, read_local(ident, depth, code, "self"))
        if found is not None:
            return found
    return None


def describe_pool(module: str, owner: object) -> str | None:
    """Describe a connection pool or queue; None for an object without a size."""
    for prefix, size_path, more_path in POOLS:
        if is_part_of(module, (prefix,)):
            try:
                size = attrgetter(size_path)(owner)
                more = max(0, attrgetter(more_path)(owner)) if more_path else 0
            except AttributeError:
                return None
            return format_size(owner, size + more, more)
    return None


def format_size(owner: object, size: int, more: int = 0) -> str:
    """Return a text such as "QueuePool of 10", without a size of 0. more: overflow in the size."""
    name = type(owner).__name__
    if size <= 0:
        return name
    return f"{name} of {size}" + (f" ({more} of them overflow)" if more else "")


def describe_primitive(owner: object) -> str | None:
    """Describe a semaphore or condition; None for an event, which no thread holds."""
    if isinstance(owner, Semaphore):
        return format_size(owner, getattr(owner, "_initial_value", 0))
    return type(owner).__name__ if isinstance(owner, Condition) else None


def describe_future(owner: object, caller: str | None) -> str | None:
    """Describe what a future's result waits for; None for a call that already runs. asyncio adds a
    callback of its own to a future that the loop completes."""
    if not isinstance(owner, Future):
        return None
    callbacks = getattr(owner, "_done_callbacks", ())
    by_loop = any(
        is_part_of(str(getattr(each, "__module__", "")), ("asyncio",)) for each in callbacks
    )
    if by_loop or is_part_of(caller or "", ("anyio", "asgiref")):
        return THE_LOOP
    return None if owner.running() else A_THREAD


def describe_lock(ident: int, stack: Sequence[SeenFrame]) -> str | None:
    """Return "lock" for a line such as `with self.lock:`, which waits outside Python functions."""
    if not stack:
        return None
    code, _, names = stack[0]
    seen = read_at_once(map(attrgetter("f_code", "f_lasti"), islice(iterate_frames(ident), 1)))
    if not seen or seen[0][0] is not code:
        return None
    path = find_operand(code, seen[0][1])
    if not path:
        return None
    root, *attributes = path
    found = names.get(root)
    if root in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
        found = read_local(ident, 0, code, root)
    for each in attributes:
        found = getattr_static(found, each, None)
    return "lock" if isinstance(found, LOCKS) and repr(found).startswith("<locked") else None


@lru_cache(maxsize=512)
def find_operand(code: CodeType, offset: int) -> list[str]:
    """Return the names in `a.b` if the instruction is `with a.b:` or `a.b.acquire(...)`; empty for
    any other instruction."""
    steps = [each for each in dis.get_instructions(code) if each.opname not in NOISE]
    now = next((place for place, each in enumerate(steps) if each.offset == offset), 0)
    called = steps[now].opname
    before = steps[max(0, now - 8) : now]
    if called.startswith("CALL"):
        acquires = [place for place, each in enumerate(before) if each.argval == "acquire"]
        before = before[: acquires[-1]] if acquires else before
    elif called not in ("SETUP_WITH", "BEFORE_WITH"):
        return []
    path: list[str] = []
    for each in reversed(before):
        if not each.opname.startswith("LOAD_"):
            break
        name = each.argval[-1] if isinstance(each.argval, tuple) else each.argval
        path.insert(0, str(name))
        if not each.opname.startswith("LOAD_ATTR"):
            return path
    return []


def read_local(ident: int, depth: int, code: CodeType, name: str) -> object:
    """Return a local variable of the frame at a depth; None if it no longer runs that code."""
    frames, again = tee(islice(iterate_frames(ident), depth, depth + 1))
    codes = map(attrgetter("f_code"), frames)
    values = map(getitem, map(attrgetter("f_locals"), again), repeat(name))
    found = read_at_once(zip(codes, values))
    return found[0][1] if found and found[0][0] is code else None
