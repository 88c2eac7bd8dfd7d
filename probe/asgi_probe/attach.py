"""Puts the probe in front of an audited service's app where its server loads it. Imported after a
server's module has run. Each hook follows the source of its server.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast
from weakref import WeakValueDictionary

from .attach_report import (
    DIRECTORY_VARIABLE,
    NO_ASGI_APPS,
    RSGI,
    STARLETTE,
    TRIAL_VARIABLE,
    AttachReport,
    describe_server,
)
from .made import instrument_makers
from .middleware import Probe
from .pool_calls import instrument_pool
from .routes import App, Receive, Scope, Send

log = logging.getLogger("probe")
probes: WeakValueDictionary[int, Probe] = WeakValueDictionary()
"""Maps id(app) to its probe: a server may load one app in two places, or call it many times. The
server keeps the probe, or a Starlette app its own; an app may live as short as one request."""
undo_starlette: list[Callable[[], None]] = []
addresses: dict[object, None] = {}
inside: ContextVar[bool] = ContextVar("asgi_probe_inside", default=False)


class Socket(Protocol):
    def getsockname(self) -> object: ...


class HasSockets(Protocol):
    sockets: Iterable[Socket]


class UvicornConfig(Protocol):
    loaded_app: object
    reload: object
    is_ssl: object


class UvicornServer(Protocol):
    config: UvicornConfig


class GunicornConfig(Protocol):
    reload: object
    is_ssl: object


class GunicornWorker(Protocol):
    asgi: object
    cfg: GunicornConfig
    sockets: Iterable[Socket]


@contextmanager
def keep_from_app(doing: str) -> Iterator[None]:
    """Log an error of the probe and let the app continue; the audit reports what is missing."""
    try:
        yield
    except Exception as error:
        log.error("the probe cannot %s: %r", doing, error, exc_info=error)


def run_hook(name: str, module: ModuleType) -> None:
    with keep_from_app(f"hook {module.__name__}"):
        instrument_makers()  # before the user's modules import names from libraries
        globals()[name](module)


def attach(app: object, server: str, hook: str, bare: object = None) -> object:
    """Return the app behind a probe; report any other object and return it unchanged.

    bare: the app without the server's own wrappers, which differ between two servers of one app.
    """
    bare = app if bare is None else bare
    probe = known = probes.get(id(bare))
    if known is not None and (known.app is app or hook == STARLETTE):
        return known
    with keep_from_app("attach to the app"):
        directory = Path(os.environ[DIRECTORY_VARIABLE])
        report = None if known is None else known.report
        if report is None or report.hook != hook:
            report = AttachReport(directory, bare, describe_server(server), hook)
            report.update()
        if report.kind not in NO_ASGI_APPS:
            probe = probes[id(bare)] = Probe(cast(App, app), directory)
            probe.report_to(report)
            if hook == STARLETTE:
                vars(bare)["_asgi_probe"] = probe
            else:
                release_starlette()
    return app if probe is None else probe


def hook_uvicorn_config(module: ModuleType) -> None:
    load = module.Config.load

    @functools.wraps(load)
    def load_and_attach(config: UvicornConfig) -> None:
        load(config)
        app = bare = config.loaded_app
        while type(bare).__module__.startswith("uvicorn.middleware."):
            bare = vars(bare)["app"]
        config.loaded_app = attach(app, "uvicorn", "uvicorn.config.Config.load", bare)
        with keep_from_app("record the server's settings"):
            note(config.loaded_app, reloads=bool(config.reload), tls=bool(config.is_ssl))

    module.Config.load = load_and_attach


def hook_uvicorn_server(module: ModuleType) -> None:
    startup = module.Server.startup

    @functools.wraps(startup)
    async def startup_and_note(server: UvicornServer, *args: object, **options: object) -> None:
        await startup(server, *args, **options)
        with keep_from_app("record the server's addresses"):
            servers: Iterable[HasSockets] = vars(server).get("servers", ())  # unset after a failure
            sockets = [one for each in servers for one in each.sockets]
            note(server.config.loaded_app, **list_addresses(sockets))

    module.Server.startup = startup_and_note


def hook_gunicorn(module: ModuleType) -> None:
    load = module.ASGIWorker.load_wsgi

    @functools.wraps(load)
    def load_and_attach(worker: GunicornWorker) -> None:
        load(worker)
        worker.asgi = attach(worker.asgi, "gunicorn", "gunicorn.workers.gasgi.ASGIWorker.load_wsgi")
        with keep_from_app("record the server's settings"):
            note(worker.asgi, reloads=bool(worker.cfg.reload), tls=bool(worker.cfg.is_ssl))
            note(worker.asgi, **list_addresses(worker.sockets))

    module.ASGIWorker.load_wsgi = load_and_attach


def hook_hypercorn(module: ModuleType) -> None:
    wrap = module.wrap_app

    @functools.wraps(wrap)
    def attach_and_wrap(app: object, *args: object, **options: object) -> object:
        return wrap(attach(app, "hypercorn", "hypercorn.utils.wrap_app"), *args, **options)

    vars(module)["wrap_app"] = attach_and_wrap


def hook_granian(module: ModuleType) -> None:
    """Granian passes the app to its lifespan and to its requests in two places."""
    wrap, init = module._callback_wrapper, module.LifespanProtocol.__init__

    @functools.wraps(wrap)
    def attach_and_wrap(app: object, *args: object, **options: object) -> object:
        return wrap(attach(app, "granian", "granian.asgi"), *args, **options)

    @functools.wraps(init)
    def attach_and_init(lifespan: object, app: object) -> None:
        init(lifespan, attach(app, "granian", "granian.asgi"))

    vars(module)["_callback_wrapper"] = attach_and_wrap
    module.LifespanProtocol.__init__ = attach_and_init


def hook_granian_rsgi(module: ModuleType) -> None:
    """Granian calls an app by its own protocol (RSGI) unless configured otherwise. Such an app gets
    no ASGI scope, so it stays unchanged and is reported."""
    find = module._callbacks_from_target

    @functools.wraps(find)
    def report_and_find(app: object) -> object:
        with keep_from_app("report the app"):
            directory = Path(os.environ[DIRECTORY_VARIABLE])
            report = AttachReport(directory, app, describe_server("granian"), "granian.rsgi")
            report.update(kind=RSGI)
        return find(app)

    vars(module)["_callbacks_from_target"] = report_and_find


def hook_starlette_routing(module: ModuleType) -> None:
    """Apply a trial's `offload` before the app creates its routes: a route keeps its function."""
    if "offload" in os.environ.get(TRIAL_VARIABLE, ""):
        from .offload_hooks import offload_routes

        offload_routes(module)


def hook_starlette(module: ModuleType) -> None:
    """Attach to the outermost Starlette app when it is first called, for servers without a hook
    of their own. Any other hook that attaches an app removes this one, or switches it off if a
    library or the app has wrapped it since: the method is then theirs."""
    instrument_pool()  # before the user's modules import names from anyio
    if probes:
        return
    call = module.Starlette.__call__

    @functools.wraps(call)
    async def call_attached(app: App, scope: Scope, receive: Receive, send: Send) -> None:
        if inside.get() or not undo_starlette:
            await call(app, scope, receive, send)
            return
        token = inside.set(True)
        try:
            probe = attach(functools.partial(call, app), "", STARLETTE, app)
            await cast(App, probe)(scope, receive, send)
        finally:
            with suppress(ValueError):  # closed in another context
                inside.reset(token)

    def undo() -> None:
        if module.Starlette.__call__ is call_attached:
            module.Starlette.__call__ = call

    module.Starlette.__call__ = call_attached
    undo_starlette.append(undo)


def release_starlette() -> None:
    while undo_starlette:
        undo_starlette.pop()()


def note(app: object, **changes: object) -> None:
    if isinstance(app, Probe) and app.report is not None:
        app.report.update(**changes)


def list_addresses(sockets: Iterable[Socket]) -> dict[str, object]:
    """Add the addresses of one more server. Return the (host, port) pairs and the Unix sockets of
    all servers of the process: only its last report is in its file."""
    addresses.update(dict.fromkeys(each.getsockname() for each in sockets))
    pairs = [each[:2] for each in addresses if isinstance(each, tuple)]
    names = [str(each) for each in addresses if not isinstance(each, tuple)]
    return {"listens": pairs, "unix": names}
