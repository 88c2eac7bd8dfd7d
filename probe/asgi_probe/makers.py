"""Makers: functions that create objects which requests should share, or which outlive the response.
From the sources of httpx 0.28, httpx2 2.16, aiohttp 3.14, requests 2.34, urllib3 2.8, boto3 1.44,
redis 8.1, asyncpg 0.32, psycopg 3.3, psycopg-pool 3.3, psycopg2 2.9, PyMySQL 1.1, SQLAlchemy 2.1,
Starlette 1.10 and Litestar 2.25."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import NamedTuple, cast

log = logging.getLogger("probe")
Call = Callable[..., object]
TLS_CONTEXT, TASK = "TLS context", "background task"
TASK_MODULES = ("starlette.background", "litestar.background_tasks")
ASYNC_CONNECT = "psycopg.AsyncConnection.connect"


class Maker(NamedTuple):
    """A method or function that creates an object. owner: its class; empty for a module's function.
    shares: the argument that passes in existing connections, which makes the object cheap."""

    module: str
    owner: str
    name: str
    kind: str
    shares: str = ""


MAKERS = (
    Maker("ssl", "SSLContext", "load_verify_locations", TLS_CONTEXT),
    Maker("ssl", "SSLContext", "load_default_certs", TLS_CONTEXT),
    Maker("ssl", "SSLContext", "set_default_verify_paths", TLS_CONTEXT),
    Maker("httpx", "Client", "__init__", "httpx.Client", "transport"),
    Maker("httpx", "AsyncClient", "__init__", "httpx.AsyncClient", "transport"),
    Maker("httpx2", "Client", "__init__", "httpx2.Client", "transport"),
    Maker("httpx2", "AsyncClient", "__init__", "httpx2.AsyncClient", "transport"),
    Maker("aiohttp", "ClientSession", "__init__", "aiohttp.ClientSession", "connector"),
    Maker("requests", "Session", "__init__", "requests.Session"),
    Maker("urllib3", "PoolManager", "__init__", "urllib3.PoolManager"),
    Maker("boto3.session", "Session", "client", "boto3.client"),
    Maker("boto3.session", "Session", "resource", "boto3.resource"),
    Maker("redis.client", "Redis", "__init__", "redis.Redis", "connection_pool"),
    Maker("redis.connection", "ConnectionPool", "__init__", "redis.ConnectionPool"),
    Maker("redis.asyncio.client", "Redis", "__init__", "redis.asyncio.Redis", "connection_pool"),
    Maker("redis.asyncio.connection", "ConnectionPool", "__init__", "redis.asyncio.ConnectionPool"),
    Maker("asyncpg.pool", "Pool", "__init__", "asyncpg.Pool"),
    Maker("psycopg_pool", "ConnectionPool", "__init__", "psycopg_pool.ConnectionPool"),
    Maker("psycopg_pool", "AsyncConnectionPool", "__init__", "psycopg_pool.AsyncConnectionPool"),
    Maker("psycopg.connection", "Connection", "connect", "psycopg.connect"),
    Maker("psycopg", "", "connect", "psycopg.connect"),
    Maker("psycopg.connection_async", "AsyncConnection", "connect", ASYNC_CONNECT),
    Maker("psycopg2", "", "connect", "psycopg2.connect"),
    Maker("asyncpg.connection", "", "connect", "asyncpg.connect"),
    Maker("asyncpg", "", "connect", "asyncpg.connect"),
    Maker("pymysql.connections", "Connection", "__init__", "pymysql.connect"),
    Maker("starlette.background", "BackgroundTask", "__call__", TASK),
    Maker("litestar.background_tasks", "BackgroundTask", "__call__", TASK),
    Maker("sqlalchemy.engine.create", "", "create_engine", "sqlalchemy.create_engine"),
)


def replace_attribute(owner: object, name: str, wrap: Callable[[Call], Call]) -> None:
    original = getattr(owner, name, None)
    if original is None or hasattr(original, "probe_original"):
        return
    of_class = isinstance(getattr(owner, "__dict__", {}).get(name), classmethod)
    function = original.__func__ if of_class else original
    replacement = functools.wraps(function)(wrap(function))
    replacement.probe_original = original  # type: ignore[attr-defined]
    try:
        setattr(owner, name, classmethod(replacement) if of_class else replacement)
    except (AttributeError, TypeError) as error:  # such as a class implemented in C
        log.debug("the probe cannot wrap %s: %r", name, error)


def wrap_task(original: Call, note: Callable[[object], None]) -> Call:
    """Wrap a coroutine function by another one: a task may be another task's function, and the
    framework calls a plain function in a thread, where its coroutine would be dropped."""

    def run(task: object) -> object:
        note(task)
        return original(task)

    async def run_awaited(task: object) -> object:
        return await cast("Awaitable[object]", run(task))

    return run_awaited if iscoroutinefunction(original) else run


def is_task(kind: type) -> bool:
    """Return True for the frameworks' classes of tasks, unless a subclass is called otherwise."""
    call = getattr(kind, "__call__", None)  # noqa: B004 - it is read, not asked for
    return getattr(call, "__module__", None) in TASK_MODULES
