"""The report of one process of an audited service, in `attach-<pid>-<start>.json`: processes of two
containers may have the same pid, and the same folder."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections import deque
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from . import gil
from .blocks import watches
from .clocks import monotonic
from .encode_json import encode_json

DIRECTORY_VARIABLE, TRIAL_VARIABLE = "ASGI_PROBE_DIR", "ASGI_PROBE_TRIAL"
BY_HAND, STARLETTE = "by hand", "starlette.applications.Starlette.__call__"
ASGI, ASGI_2, WSGI, RSGI, FACTORY, NOTHING, UNKNOWN = (
    "asgi", "asgi2", "wsgi", "rsgi", "factory", "not callable", "unknown",
)  # fmt: skip
NO_ASGI_APPS = (WSGI, FACTORY, NOTHING)
LOADED, STARTING, STARTED = "loaded", "starting", "started"
PACKAGES = (
    "fastapi", "starlette", "pydantic", "anyio", "uvicorn", "gunicorn", "hypercorn", "granian",
    "uvloop", "httptools", "h11",
)  # fmt: skip
"""Packages whose version is reported if the process has imported them."""
IMPORTED_S = monotonic()
attached: set[tuple[int, str]] = set()
"""(pid, hook) of each started probe; a forked child starts its own."""
unwritten: deque[AttachReport] = deque()
"""Reports that the watchdog writes next: on a slow disk a write would block the app's loop."""


class AttachReport:
    """Report that is written when the app is loaded, gets its first scope, and has started."""

    def __init__(self, directory: Path, app: object, server: str, hook: str) -> None:
        self.directory = directory
        self.hook = hook
        self.kind = classify_app(app)
        self._content: dict[str, object] = {
            "python": ".".join(map(str, sys.version_info[:3])),
            "executable": sys.executable,
            "loop": "",
            "versions": list_versions(),
            "server": server,
            "hook": hook,
            "app": describe_callable(app),
            "kind": self.kind,
            "folder": find_working_folder(),
            "listens": [],
            "unix": [],
            "reloads": False,
            "tls": None,
            "state": LOADED,
            "trial": None,
            "stopped": None,
        }
        gil.observers[:] = [self.update]  # of the process's reports the last one is in its file

    def note_start(self, *, has_lifespan: bool) -> None:
        """Record that the app's first scope has arrived. Call on its loop."""
        attached.add((os.getpid(), self.hook))
        kind = type(asyncio.get_running_loop())
        state = STARTING if has_lifespan else STARTED
        self.update(loop=f"{kind.__module__}.{kind.__qualname__}", state=state)

    def note_started(self) -> None:
        """Record that the lifespan's startup has succeeded or failed, or that the app has none."""
        if self._content["state"] != STARTED:
            self.update(state=STARTED)

    def update(self, **changes: object) -> None:
        """Write the report at once, or on the watchdog's thread while that watches a loop."""
        self._content.update(changes)
        unwritten.append(self)
        if not watches:
            write_reports()

    def write(self) -> None:
        content = {
            "pid": os.getpid(), "ppid": os.getppid(), **self._content, **gil.describe_gil()
        }  # fmt: skip
        path = self.directory / f"attach-{os.getpid()}-{IMPORTED_S:.6f}.json"
        part = path.with_suffix(".part")
        with suppress(OSError):  # a full disk must not affect the app
            part.write_bytes(encode_json(content))
            part.replace(path)  # atomic: a reader never sees a partial file


def is_superfluous(hook: str) -> bool:
    """Return True for a hook's probe if another hook has attached one: each request is recorded
    once."""
    others = {each for pid, each in attached if pid == os.getpid()} - {hook}
    return hook in (BY_HAND, STARLETTE) and bool(others)


def find_working_folder() -> str:
    """Return "" if it was removed."""
    with suppress(OSError):
        return str(Path.cwd())
    return ""


def write_reports() -> None:
    with suppress(IndexError):
        while True:
            unwritten.popleft().write()


def describe_callable(app: object) -> str:
    named = app if inspect.isroutine(app) or inspect.isclass(app) else type(app)
    name = getattr(named, "__qualname__", type(named).__qualname__)
    return f"{getattr(named, '__module__', None) or '?'}.{name}"


def classify_app(app: object) -> str:
    """Classify a callable by the number of arguments that it accepts: ASGI 3 passes three,
    ASGI 2 one, WSGI two; a factory needs none."""
    if not callable(app):
        return NOTHING
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__):
        return ASGI
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return UNKNOWN
    kinds = ((3, ASGI), (0, FACTORY), (2, WSGI), (1, ASGI_2))
    return next((kind for count, kind in kinds if can_bind(signature, count)), UNKNOWN)


def can_bind(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def describe_server(name: str) -> str:
    """Return name and version, with gunicorn's in front if gunicorn runs it; "" if unknown."""
    names = [name] if name else []
    if name != "gunicorn" and "gunicorn.arbiter" in sys.modules:
        names = ["gunicorn", name]
    return " with ".join(map(describe_version, names))


def list_versions() -> dict[str, str]:
    found = {name: find_version(name) for name in PACKAGES if name in sys.modules}
    return {name: version for name, version in found.items() if version}


def describe_version(name: str) -> str:
    return f"{name} {find_version(name)}".rstrip()


def find_version(name: str) -> str:
    """Return "" for a package that is importable but not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
