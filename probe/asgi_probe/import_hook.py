"""Imports the rest of the probe only when a process imports an ASGI server.

Every Python process of an audited command imports this module, so it imports only modules that
Python has already loaded.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

SERVERS = {
    "uvicorn.config": "hook_uvicorn_config",
    "uvicorn.server": "hook_uvicorn_server",
    "gunicorn.workers.gasgi": "hook_gunicorn",
    "hypercorn.utils": "hook_hypercorn",
    "granian.asgi": "hook_granian",
    "granian.rsgi": "hook_granian_rsgi",
    "starlette.applications": "hook_starlette",
    "starlette.routing": "hook_starlette_routing",
}
"""Maps a server's module to the function in `asgi_probe.attach` that hooks the server's app."""


def install() -> None:
    if not getattr(sys, "_is_gil_enabled", lambda: True)():  # a module may turn it on
        from .gil import listen_to_warnings

        listen_to_warnings()
    sys.meta_path.insert(0, ModuleFinder(dict.fromkeys(SERVERS, hook)))
    for name in SERVERS:
        if name in sys.modules:  # a .pth file imported it earlier
            hook(sys.modules[name])


def hook(module: ModuleType) -> None:
    try:
        from . import attach
    except Exception:  # such as of a user who may not read the probe's files
        return
    attach.run_hook(SERVERS[module.__name__], module)


class ModuleFinder:
    """Finder that leaves the search to the other finders, and runs a module's hook after it."""

    def __init__(self, hooks: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self.hooks = hooks

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.hooks:
            return None
        finders = list(sys.meta_path)
        at = next((i for i, each in enumerate(finders) if each is self), len(finders))
        found = (ask(each, name, path, target) for each in finders[at + 1 :])
        spec = next((each for each in found if each is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = HookedLoader(spec, spec.loader, self.hooks[name])  # type: ignore[assignment]
        return spec


def ask(
    finder: object, name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    """Ask a finder by the rules of Python, which until 3.11 knows an older method."""
    find, find_old = (getattr(finder, each, None) for each in ("find_spec", "find_module"))
    spec: ModuleSpec | None = None
    if find is not None:
        spec = find(name, path, target)
    elif find_old is not None and sys.version_info < (3, 12):
        from importlib.util import spec_from_loader

        loader = find_old(name, path)
        spec = None if loader is None else spec_from_loader(name, loader)
    return spec


class HookedLoader:
    """Loader of one module that runs its hook; the real loader may be one object, or a class, for
    many modules. The real one is back in its place before the module's code runs, and until then
    answers a service that asks for source or data."""

    def __init__(
        self, spec: ModuleSpec, loader: Loader, run_hook: Callable[[ModuleType], None]
    ) -> None:
        self._spec, self._loader, self._run_hook = spec, loader, run_hook

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what a copy asks for before it has a loader
            raise AttributeError(name)
        found = getattr(self._loader, name)
        return {"exec_module": self._execute, "load_module": self._load}.get(name, found)

    def _step_aside(self, holder: ModuleSpec | ModuleType, name: str) -> None:
        if getattr(holder, name, None) is self:  # and not another tool's wrapper around this one
            setattr(holder, name, self._loader)

    def _execute(self, module: ModuleType) -> None:
        self._step_aside(self._spec, "loader")
        self._step_aside(module, "__loader__")
        self._loader.exec_module(module)
        self._run_hook(module)

    def _load(self, name: str) -> ModuleType:
        """Load a module of a loader without `exec_module`, such as Python 3.9 has for archives."""
        self._step_aside(self._spec, "loader")
        module = self._loader.load_module(name)
        self._run_hook(module)
        return module
