"""Names the function that a pool thread finally runs, from the callable and its arguments."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import _GeneratorContextManager
from contextvars import Context
from functools import partial
from inspect import unwrap
from types import CodeType, FunctionType, GeneratorType

Given = tuple[object, ...]
STEPS = ("next", "_next")
"""A function with such a name may advance the iterator in its argument."""
MOST_WRAPPERS = 20
MOST_TEXTS = 5_000
texts: dict[int, tuple[CodeType, str]] = {}
"""Maps id(code) to the code and its text; keeping the code prevents reuse of its id."""


def describe_work(function: Callable[..., object], given: Given) -> str | None:
    """Return "file:first_line qualname" for Python code, "module.name" for other callables, and
    None for a callable that raises when inspected."""
    try:
        while type(function) is partial and not function.keywords:  # enough for most calls
            given = (*function.args, *given)
            function = function.func
        if type(function) is FunctionType and function.__name__ not in STEPS and not vars(function):
            return format_code(function.__code__, function.__qualname__)
        return describe_function(find_work(function, given))
    except Exception:  # any attribute of the app's objects may raise; the app must not be affected
        return None


def find_work(function: object, given: Given) -> object:
    """Unwrap what only calls something else: partials, contexts and framework wrappers. The name of
    a generator's step, or of its context manager, is that of the generator."""
    for _ in range(MOST_WRAPPERS):
        step = look_through(function, given)
        if step is None:
            break
        function, given = step
    return function


def look_through(function: object, given: Given) -> tuple[object, Given] | None:
    if isinstance(function, partial):
        inner = function.keywords.get("function")  # FastAPI's call of an endpoint
        if callable(inner) and is_module_of(function.func, "fastapi"):
            return inner, ()
        return function.func, (*function.args, *given)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, Context) and given:
        return given[0], given[1:]
    if isinstance(owner, _GeneratorContextManager):
        return owner.gen, ()
    name = getattr(function, "__name__", "")
    if name == "thread_handler" and is_module_of(type(owner), "asgiref"):
        return getattr(owner, "func", None), ()
    if name in STEPS and given and is_step(function):
        step = getattr(type(given[0]), "__next__", None)
        return step if hasattr(step, "__code__") else given[0], ()
    return None


def is_module_of(thing: object, package: str) -> bool:
    module = getattr(thing, "__module__", None)
    return isinstance(module, str) and module.split(".")[0] == package


def is_step(function: object) -> bool:
    """Return True if a function is `next`, or Starlette's replacement for it."""
    return function is next or is_module_of(function, "starlette")


def describe_function(work: object) -> str:
    if isinstance(work, GeneratorType):
        return format_code(work.gi_code, work.__qualname__)
    if isinstance(work, type):
        work = find_constructor(work)
    elif not hasattr(work, "__code__") and not hasattr(work, "__self__"):
        own = getattr(type(work), "__call__", None)  # noqa: B004
        work = own if hasattr(own, "__code__") else work
    own = unwrap(work) if callable(work) else work
    code = getattr(own, "__code__", None)
    if isinstance(code, CodeType):
        return format_code(code, getattr(own, "__qualname__", code.co_name))
    owner = getattr(work, "__self__", None)
    named = work if hasattr(work, "__qualname__") else type(work)
    of_object = owner is not None and not isinstance(owner, (type, type(sys)))
    module = getattr(type(owner) if of_object else named, "__module__", None)
    return f"{module or '?'}.{named.__qualname__}"


def find_constructor(kind: type) -> object:
    """Return the class's own Python `__init__`; the class itself without one."""
    own = kind.__dict__.get("__init__")
    return own if hasattr(own, "__code__") else kind


def format_code(code: CodeType, name: str) -> str:
    known = texts.get(id(code))
    if known is None:
        if len(texts) >= MOST_TEXTS:
            texts.clear()
        text = f"{code.co_filename}:{code.co_firstlineno} {name}"
        known = texts[id(code)] = (code, text)
    return known[1]
