"""The probe enters a process only when a server is imported, and only once."""

import asyncio
import contextvars
import functools
import gc
import importlib.util
import json
import os
import socket
import subprocess
import sys
import weakref
import zipfile
from pathlib import Path

import asgi_probe
import pytest
from asgi_probe import attach, attach_report, gil, import_hook
from asgi_probe.attach_report import ASGI, ASGI_2, FACTORY, NOTHING, WSGI, classify_app
from asgi_probe.middleware import Probe

from tests.probe.support import ask

starlette = pytest.mark.skipif(
    importlib.util.find_spec("starlette") is None, reason="needs Starlette"
)
HOME = Path(asgi_probe.__file__).parent / "site"
LIGHT = {"asgi_probe", "asgi_probe.import_hook"}


def run_python(
    code: str, folder: Path, path: str = "", audited: bool = True
) -> "subprocess.CompletedProcess[str]":
    """A process of an audited command; `path` is the user's own PYTHONPATH."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(HOME), path)))}
    environment.pop("ASGI_PROBE_DIR", None)
    if audited:
        environment["ASGI_PROBE_DIR"] = str(folder)
    return subprocess.run(
        (sys.executable, "-c", code),
        cwd=folder, env=environment, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


PRINT_OURS = "import sys; print(sorted(each for each in sys.modules if 'asgi_probe' in each))"


def test_a_process_that_serves_nothing_has_the_import_hook_alone(tmp_path: Path) -> None:
    done = run_python(f"import json, asyncio.events; {PRINT_OURS}", tmp_path)
    assert (done.stdout.strip(), done.stderr) == (str(sorted(LIGHT)), "")
    assert list(tmp_path.iterdir()) == []


@starlette
def test_what_trials_need_is_not_imported_without_one(tmp_path: Path) -> None:
    code = "import starlette.routing, starlette.applications; " + PRINT_OURS
    found = run_python(code, tmp_path).stdout
    assert "'asgi_probe.attach'" in found
    assert not [each for each in ("trial", "offload", "hazard") if each in found]


def test_outside_an_audit_nothing_of_it_is_imported(tmp_path: Path) -> None:
    done = run_python(PRINT_OURS, tmp_path, audited=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_an_installed_probe_of_another_version_is_not_taken(tmp_path: Path) -> None:
    for place in ("asgi_probe", "earlier/asgi_probe"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "__init__.py").write_text("other = True\n")
    done = run_python(
        "import asgi_probe; print(asgi_probe.__file__)", tmp_path, str(tmp_path / "earlier")
    )
    assert done.stdout.strip() == asgi_probe.__file__


def test_the_next_sitecustomize_runs_and_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.path.append('added')\n")
    code = "import sys, sitecustomize as s; print(s.__file__, 'added' in sys.path, sys.path[1])"
    done = run_python(code, tmp_path, str(tmp_path))
    assert done.stderr == ""
    assert done.stdout.split() == [str(tmp_path / "sitecustomize.py"), "True", str(HOME)]


def test_a_fault_of_the_next_sitecustomize_is_reported_as_ever(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise RuntimeError('mine')\n")
    ours = run_python("print('on')", tmp_path, str(tmp_path))
    alone = subprocess.run(
        (sys.executable, "-c", "print('on')"),
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (ours.stdout, ours.stderr) == (alone.stdout, alone.stderr)


def test_without_another_sitecustomize_there_is_none(tmp_path: Path) -> None:
    code = "import sys; print('sitecustomize' in sys.modules)"
    ours = run_python(code, tmp_path)
    alone = subprocess.run(
        (sys.executable, "-c", code),
        cwd=tmp_path, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (ours.stdout, ours.stderr) == (alone.stdout, "")


SERVER_CODE = """
class Config:
    loaded_app, reload, is_ssl = None, False, False
    def load(self):
        async def app(scope, receive, send): ...
        self.loaded_app = app
"""


def test_a_user_who_may_not_read_the_probe_gets_the_server_unhooked(tmp_path: Path) -> None:
    """A service that root started may go on as another user, and import its server then."""
    (tmp_path / "uvicorn").mkdir()
    (tmp_path / "uvicorn" / "__init__.py").write_text("")
    (tmp_path / "uvicorn" / "config.py").write_text(SERVER_CODE)
    code = "import sys; sys.modules['asgi_probe.attach'] = None; from uvicorn import config"
    done = run_python(f"{code}; print(config.Config.load.__module__)", tmp_path)
    assert (done.stdout.split(), done.stderr) == (["uvicorn.config"], "")


def test_the_sockets_of_all_servers_of_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach, "addresses", {})
    path = str(tmp_path / "u")
    with socket.socket() as tcp, socket.socket() as other, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        unix.bind(path)
        attach.list_addresses([other])
        found = attach.list_addresses([tcp, unix])
        assert found == {"listens": [other.getsockname(), tcp.getsockname()], "unix": [path]}


def test_a_server_is_hooked_and_its_loader_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "uvicorn").mkdir()
    (tmp_path / "uvicorn" / "__init__.py").write_text("")
    (tmp_path / "uvicorn" / "config.py").write_text(SERVER_CODE)
    code = (
        "import inspect; from uvicorn import config; made = config.Config(); made.load(); "
        "print(type(made.loaded_app).__name__, type(config.__loader__).__name__, "
        "'loaded_app' in inspect.getsource(config))"
    )
    done = run_python(code, tmp_path)
    assert (done.stdout.split(), done.stderr) == (["Probe", "SourceFileLoader", "True"], "")
    (report,) = tmp_path.glob("attach-*.json")
    content = json.loads(report.read_text())
    assert content["hook"] == "uvicorn.config.Config.load"
    assert (content["executable"], content["state"]) == (sys.executable, "loaded")


PRINT_SERVER = (
    "import importlib.util as u, pkgutil; found = u.find_spec('uvicorn.config').loader; "
    "from uvicorn import config, later; made = config.Config(); made.load(); "
    "print(type(made.loaded_app).__name__, later.NAME, found.is_package('uvicorn.config'), "
    "config.__loader__ is config.__spec__.loader, config.LOADER is config.__loader__); "
    "FILE = 'uvicorn', 'config.py'; "
)
HOOKED = ("Probe", "uvicorn.later", "False", "True", "True")


def write_server(folder: Path) -> "list[Path]":
    """Write a server, and a module of the same folder that is imported after it."""
    (folder / "uvicorn").mkdir()
    (folder / "uvicorn" / "__init__.py").write_text("")
    (folder / "uvicorn" / "config.py").write_text(f"LOADER = __loader__{SERVER_CODE}")
    (folder / "uvicorn" / "later.py").write_text("NAME = __name__\n")
    return sorted(folder.glob("uvicorn/*.py"))


def test_a_server_in_an_archive_is_hooked(tmp_path: Path) -> None:
    """One loader has all modules of an archive's folder, and in Python 3.9 no `exec_module`."""
    with zipfile.ZipFile(tmp_path / "service.pyz", "w") as archive:
        for path in write_server(tmp_path):
            archive.write(path, path.relative_to(tmp_path))
            path.unlink()
    code = PRINT_SERVER + "print(type(config.__loader__).__name__, pkgutil.get_data(*FILE)[:6])"
    done = run_python(f"import sys; sys.path.insert(0, 'service.pyz'); {code}", tmp_path)
    expected = [*HOOKED, "zipimporter", "b'LOADER'"]
    assert (done.stdout.split(), done.stderr) == (expected, "")


CLASS_AS_LOADER = """
import sys
from importlib.machinery import PathFinder
from importlib.util import spec_from_loader

class Loader:
    found = {}

    @classmethod
    def create_module(cls, spec): ...

    @classmethod
    def exec_module(cls, module):
        cls.found[module.__name__].exec_module(module)

    @classmethod
    def is_package(cls, name):
        return cls.found[name].is_package(name)

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        found = PathFinder.find_spec(name, path)
        if found is None or name not in ("uvicorn.config", "uvicorn.later"):
            return found
        Loader.found[name] = found.loader
        return spec_from_loader(name, Loader, origin=found.origin)

sys.meta_path.insert(1, Finder)
before = Loader.exec_module
"""


def test_a_loader_that_is_a_class_for_all_modules_is_hooked_for_its_server(tmp_path: Path) -> None:
    write_server(tmp_path)
    code = PRINT_SERVER + "print(config.__loader__ is Loader, Loader.exec_module == before)"
    done = run_python(CLASS_AS_LOADER + code, tmp_path)
    expected = [*HOOKED, "True", "True"]
    assert (done.stdout.split(), done.stderr) == (expected, "")


OLD_FINDER = """
import sys

class OldFinder:
    def __init__(self, found):
        self.found = found

    def find_module(self, name, path=None):
        return self if name in self.found else None

    def load_module(self, name):
        module = sys.modules.setdefault(name, type(sys)(name))
        exec(self.found[name], module.__dict__)
        return module

    def is_package(self, name):
        return "." not in name

"""


def test_a_finder_of_the_old_kind_does_not_turn_an_optional_import_into_a_crash(
    tmp_path: Path,
) -> None:
    """As of six before 1.16, of which kafka-python has a copy. `granian.asgi` is only searched."""
    (tmp_path / "granian").mkdir()
    (tmp_path / "granian" / "__init__.py").write_text("")
    code = "sys.meta_path.append(OldFinder({}))\ntry:\n    import granian.asgi\n"
    code += "except ModuleNotFoundError as error:\n    print(error.name)"
    done = run_python(OLD_FINDER + code, tmp_path)
    assert (done.stdout.split(), done.stderr) == (["granian.asgi"], "")


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.12 does not ask such a finder")
def test_a_server_that_only_a_finder_of_the_old_kind_knows_is_hooked(tmp_path: Path) -> None:
    found = {"uvicorn": "__path__ = []", "uvicorn.config": SERVER_CODE}
    code = f"sys.meta_path.insert(1, OldFinder({found}))\nfrom uvicorn import config\n"
    code += "made = config.Config(); made.load(); print(type(made.loaded_app).__name__)\n"
    code += "print(type(config.__spec__.loader).__name__)"
    done = run_python(OLD_FINDER + code, tmp_path)
    assert (done.stdout.split(), done.stderr) == (["Probe", "OldFinder"], "")


def test_two_finders_that_wait_for_one_module_both_run_their_hooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the plug-in's and an audit's do, of tests that run under the launcher."""
    (tmp_path / "awaited_twice.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "awaited_twice", raising=False)
    ran: list[str] = []

    def make_finder(name: str) -> import_hook.ModuleFinder:
        return import_hook.ModuleFinder({"awaited_twice": lambda _: ran.append(name)})

    finders = [make_finder("first"), make_finder("second")]
    monkeypatch.setattr(sys, "meta_path", [*finders, *sys.meta_path])
    module = importlib.import_module("awaited_twice")
    assert ran == ["second", "first"]
    assert type(module.__loader__).__name__ == "SourceFileLoader"


def test_a_server_that_is_built_otherwise_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "uvicorn").mkdir()
    (tmp_path / "uvicorn" / "__init__.py").write_text("")
    (tmp_path / "uvicorn" / "config.py").write_text("Settings = 1\n")
    done = run_python("from uvicorn import config; print(config.Settings)", tmp_path)
    assert done.stdout.strip() == "1"
    assert "the probe cannot hook uvicorn.config" in done.stderr


def test_each_server_has_a_hook() -> None:
    assert all(callable(getattr(attach, name)) for name in import_hook.SERVERS.values())


class Asynchronous:
    async def __call__(self, scope: object, receive: object, send: object) -> None: ...


class WsgiApp:
    def __call__(self, environ: object, start_response: object) -> "list[bytes]":
        raise AssertionError((environ, start_response))


class OldApp:
    def __init__(self, scope: object) -> None: ...


async def bare(scope: object, receive: object, send: object) -> None: ...


def returns_awaitable(scope: object, receive: object, send: object) -> object:
    return bare(scope, receive, send)


@pytest.mark.parametrize(
    ("app", "kind"),
    [
        (bare, ASGI),
        (Asynchronous(), ASGI),
        (returns_awaitable, ASGI),
        (functools.partial(bare), ASGI),
        (WsgiApp(), WSGI),
        (lambda: bare, FACTORY),
        (OldApp, ASGI_2),
        (lambda settings: (bare, settings), ASGI_2),
        (3, NOTHING),
    ],
)
def test_what_a_server_could_call_with_it(app: object, kind: str) -> None:
    assert classify_app(app) == kind


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASGI_PROBE_DIR", str(tmp_path))
    monkeypatch.setattr(attach, "probes", weakref.WeakValueDictionary())
    monkeypatch.setattr(attach_report, "attached", set())
    return tmp_path


@pytest.mark.usefixtures("audited")
def test_one_app_has_one_probe() -> None:
    first = attach.attach(bare, "", "one place")
    assert isinstance(first, Probe)
    assert attach.attach(bare, "", "another place") is first


@pytest.mark.usefixtures("audited")
def test_two_servers_of_one_app_keep_their_own_middleware() -> None:
    """Such as uvicorn's ProxyHeadersMiddleware: the one at a socket trusts each client, the one at
    a public port none."""
    trusting, careful = functools.partial(bare), functools.partial(bare)
    found = [attach.attach(each, "", "hook", bare) for each in (trusting, careful)]
    assert [vars(each)["app"] for each in found] == [trusting, careful]
    assert attach.attach(careful, "", "hook", bare) is found[1]
    assert vars(found[1])["report"] is vars(found[0])["report"]  # it has the state of the start


def test_what_is_no_asgi_app_stays_as_it_is_and_is_reported(audited: Path) -> None:
    app = WsgiApp()
    assert attach.attach(app, "", "hook") is app
    (report,) = audited.glob("attach-*.json")
    assert json.loads(report.read_text())["kind"] == WSGI


def serve_lifespan(app: Probe) -> None:
    async def receive() -> "dict[str, object]":
        return {"type": "lifespan.startup"}

    async def send(message: object) -> None: ...

    asyncio.run(app({"type": "lifespan"}, receive, send))
    app.stop()


@pytest.mark.parametrize("folder", [None, "own", "."])
def test_a_probe_by_hand_is_off_behind_one_that_was_attached(
    audited: Path, folder: "str | None"
) -> None:
    """The launcher may have the folder that the app itself names."""
    inner = Probe(bare, None if folder is None else audited / folder)
    outer = attach.attach(inner, "", "hook")
    assert isinstance(outer, Probe)
    serve_lifespan(outer)
    assert (outer.recorder.off, inner.recorder.off) == (False, True)
    assert len(list(audited.glob("**/probe-*.journal"))) == 1


@pytest.mark.parametrize("folder", [None, "own"])
def test_a_probe_by_hand_reports_itself(audited: Path, folder: "str | None") -> None:
    serve_lifespan(Probe(bare, None if folder is None else audited / folder))
    assert [each.parent for each in audited.glob("**/probe-*.journal")] == [audited]
    (report,) = audited.glob("attach-*.json")
    content = json.loads(report.read_text())
    assert (content["hook"], content["state"]) == ("by hand", "started")
    assert "EventLoop" in content["loop"]


def test_a_probe_by_hand_does_nothing_outside_an_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASGI_PROBE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    probe = Probe(bare)
    serve_lifespan(probe)
    assert probe.recorder.off
    assert list(tmp_path.iterdir()) == []


@starlette
@pytest.mark.usefixtures("audited")
def test_only_the_outermost_starlette_app_is_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette import applications
    from starlette.routing import Mount

    monkeypatch.setattr(applications.Starlette, "__call__", applications.Starlette.__call__)
    attach.hook_starlette(applications)
    inner = applications.Starlette()
    outer = applications.Starlette(routes=[Mount("/inner", inner)])
    assert asyncio.run(ask(outer, "/inner/x")).status == 404
    assert list(attach.probes) == [id(outer)]
    for probe in attach.probes.values():
        probe.stop()
    attach.release_starlette()
    assert applications.Starlette.__call__.__qualname__ == "Starlette.__call__"
    assert not hasattr(applications.Starlette.__call__, "__wrapped__")


@starlette
@pytest.mark.usefixtures("audited")
def test_what_has_wrapped_starlette_since_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Sentry does, or a guard of the app; their server is one with a hook."""
    from starlette import applications
    from starlette.responses import Response
    from starlette.routing import Route

    monkeypatch.setattr(applications.Starlette, "__call__", applications.Starlette.__call__)
    attach.hook_starlette(applications)
    wrapped = applications.Starlette.__call__
    seen: list[str] = []

    async def guard(app: object, scope: "dict[str, str]", receive: object, send: object) -> None:
        seen.append(scope["path"])
        await wrapped(app, scope, receive, send)  # type: ignore[arg-type]

    monkeypatch.setattr(applications.Starlette, "__call__", guard)
    app = applications.Starlette(routes=[Route("/", lambda _: Response("secret"))])
    probe = attach.attach(app, "", "a server")
    assert isinstance(probe, Probe)
    assert asyncio.run(ask(probe, "/")).status == 200
    assert asyncio.run(ask(app, "/")).status == 200  # not through the probe: its other hook is off
    assert seen == ["/", "/"]
    assert list(attach.probes.values()) == [probe]
    probe.stop()


@starlette
@pytest.mark.usefixtures("audited")
def test_a_starlette_app_s_request_may_be_closed_in_another_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from starlette import applications
    from starlette.routing import Route

    async def wait(_: object) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(applications.Starlette, "__call__", applications.Starlette.__call__)
    attach.hook_starlette(applications)
    app = applications.Starlette(routes=[Route("/", wait)])

    async def close_elsewhere() -> None:
        call = ask(app, "/")
        contextvars.copy_context().run(call.send, None)
        call.close()

    asyncio.run(close_elsewhere())
    assert not attach.probes[id(app)].recorder.in_flight
    attach.probes[id(app)].stop()
    attach.release_starlette()


@starlette
@pytest.mark.usefixtures("audited")
def test_a_starlette_app_keeps_its_probe_and_nothing_keeps_the_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of a service that makes an app per tenant or per request, on a server without a hook."""
    from starlette import applications

    monkeypatch.setattr(applications.Starlette, "__call__", applications.Starlette.__call__)
    monkeypatch.setattr(gil, "observers", [])
    attach.hook_starlette(applications)
    app, other = applications.Starlette(), applications.Starlette()
    dropped = weakref.ref(other)

    async def call(*apps: applications.Starlette) -> None:
        for each in apps:
            assert (await ask(each, "/")).status == 404

    asyncio.run(call(app, other, app))
    probe = attach.probes[id(app)]
    probe.stop()
    del other
    gc.collect()
    assert dropped() is None
    assert list(attach.probes.values()) == [probe]
    assert len(gil.observers) == 1
    attach.release_starlette()
