"""The probe records what a request creates, with its line, and nothing created outside requests."""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import json
import pickle
import ssl
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from asgi_probe import made
from asgi_probe.attach_report import DIRECTORY_VARIABLE
from asgi_probe.import_hook import ModuleFinder
from asgi_probe.makers import MAKERS, Maker
from asgi_probe.routes import App
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.background import BackgroundTask

from tests.probe.support import Calls, ask, get, observe, read_table

Start = Callable[[threading.Thread], None]


def audit(
    app: FastAPI, folder: Path, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> list[SimpleNamespace]:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(folder))
    observe(app, folder, calls)
    (path,) = folder.glob("probe-*.journal")
    return read_table(path.read_bytes(), "m")


def find_functions(row: SimpleNamespace) -> list[str]:
    return [frame[3] for frame in json.loads(row.stack)]


def test_a_tls_context_is_one_row_with_its_cpu_and_the_line_that_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()

    @app.get("/async")
    async def connect() -> None:
        ssl.create_default_context()

    @app.get("/sync")
    def connect_in_a_thread() -> None:
        ssl.create_default_context()

    @app.get("/free")
    async def free() -> None: ...

    ssl.create_default_context()  # outside a request
    rows = audit(app, tmp_path, monkeypatch, get("/async", "/free", "/sync"))
    assert [(row.visit - rows[0].visit, row.kind) for row in rows] == [
        (0, "TLS context"), (2, "TLS context")
    ]  # fmt: skip
    for row, name in zip(rows, ("connect", "connect_in_a_thread")):
        assert 0 < row.cpu_s <= row.took_s * 1.05
        assert find_functions(row)[0] == "create_default_context"
        assert name in find_functions(row)


class Client:
    """Like a library's."""

    def __init__(self, base: str = "x", *, transport: object = None) -> None:
        """Creates it."""
        self.base = base
        if base == "broken":
            raise ValueError(base)
        if transport is None:
            self.context = ssl.create_default_context()


class OwnClient(Client): ...


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A library named in a row of the table, imported late, with its own class."""
    module = ModuleType("late_library")
    vars(module)["Client"] = type("Client", (Client,), {"__init__": Client.__init__})
    maker = Maker("late_library", "Client", "__init__", "late_library.Client", "transport")
    monkeypatch.setattr(made, "MAKERS", (*MAKERS, maker))
    made.wrap_makers(module)
    return module


def test_a_context_within_a_client_is_the_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: ModuleType
) -> None:
    app = FastAPI()

    def get_client() -> Client:
        return library.Client()  # type: ignore[no-any-return]

    @app.get("/one", dependencies=[Depends(get_client)])
    async def one() -> None:
        with pytest.raises(ValueError, match="broken"):
            library.Client("broken")

    @app.get("/shared")
    async def shared() -> str:
        return str(library.Client(transport=1).base)

    rows = audit(app, tmp_path, monkeypatch, get("/one", "/shared"))
    assert [row.kind for row in rows] == ["late_library.Client"] * 2  # the broken one took CPU too
    assert [find_functions(row)[0] for row in rows] == ["get_client", "one"]


def test_a_wrapped_class_stays_what_it_is(library: ModuleType) -> None:
    client = library.Client
    assert str(inspect.signature(client)) == str(inspect.signature(Client))
    assert client.__init__.__doc__ == "Creates it."
    assert client.__init__.__qualname__ == Client.__init__.__qualname__
    assert isinstance(client("y", transport=1), Client)
    before = client.__init__
    made.wrap_makers(library)
    assert client.__init__ is before
    signature = inspect.signature(ssl.SSLContext.load_default_certs)
    assert list(signature.parameters) == ["self", "purpose"]
    assert pickle.loads(pickle.dumps(OwnClient("z", transport=1))).base == "z"


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: f"{maker.kind}.{maker.name}")
def test_a_library_that_is_installed_has_what_the_table_names(maker: Maker) -> None:
    made.instrument_makers()
    module = pytest.importorskip(maker.module)
    owner = getattr(module, maker.owner) if maker.owner else module
    assert hasattr(getattr(owner, maker.name), "probe_original")
    assert not maker.shares or maker.shares in inspect.signature(owner).parameters


def test_a_library_of_another_version_is_left_alone() -> None:
    module = ModuleType("httpx")
    made.wrap_makers(module)
    vars(module)["Client"] = 5
    made.wrap_makers(module)
    assert vars(module)["Client"] == 5


def test_a_module_that_a_request_imports_is_wrapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "lately.py").write_text("def create(x=1):\n    return x\n")
    maker = Maker("lately", "", "create", "lately.create")
    monkeypatch.setattr(made, "MAKERS", (maker,))
    sys.meta_path.insert(0, ModuleFinder({"lately": made.wrap_makers}))
    app = FastAPI()

    @app.get("/")
    async def root() -> int:
        from lately import create  # type: ignore[import-not-found]

        return int(create(2))

    rows = audit(app, tmp_path, monkeypatch, get("/", "/"))
    assert [row.kind for row in rows] == ["lately.create"] * 2


def test_a_connection_is_one_row_also_of_a_class_method_and_where_it_is_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, app = ModuleType("late_database"), FastAPI()

    class Connection:
        @classmethod
        def connect(cls) -> type:
            return cls

        @classmethod
        async def connect_later(cls) -> type:
            await asyncio.sleep(0.05)
            return cls

    class Mine(Connection): ...

    vars(module)["Connection"] = Connection
    makers = [
        Maker("late_database", "Connection", each, each) for each in ("connect", "connect_later")
    ]
    monkeypatch.setattr(made, "MAKERS", makers)
    made.wrap_makers(module)

    @app.get("/sync")
    def find() -> bool:
        return Mine.connect() is Mine

    @app.get("/async")
    async def find_later() -> bool:
        return await Mine.connect_later() is Mine

    async def calls(probed: App) -> None:
        for path in ("/sync", "/async"):
            assert (await ask(probed, path)).body == b"true"

    first, second = audit(app, tmp_path, monkeypatch, calls)
    assert (first.kind, find_functions(first)[0]) == ("connect", "find")
    assert (second.kind, find_functions(second)[0]) == ("connect_later", "find_later")
    assert second.took_s >= 0.05
    assert second.cpu_s is None
    assert inspect.iscoroutinefunction(Mine.connect_later)


def test_a_task_after_the_answer_has_the_code_of_its_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()

    async def send_mail(to: str) -> None:
        assert to == "you"

    @app.get("/mail")
    async def order(tasks: BackgroundTasks) -> None:
        tasks.add_task(functools.partial(send_mail, "you"))
        tasks.add_task(print, end="")  # has no code in Python

    (row,) = audit(app, tmp_path, monkeypatch, get("/mail"))
    code = send_mail.__code__
    assert row.kind == "background task"
    ((_, file, line, name, first_line),) = json.loads(row.stack)
    assert (file, line, name, first_line) == (__file__, code.co_firstlineno, "send_mail", line)


def test_a_task_may_be_the_function_of_another_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starlette calls what is no coroutine function in a thread: the inner task never ran."""
    app, sent = FastAPI(), list[str]()

    async def send_mail(to: str) -> None:
        sent.append(to)

    @app.get("/mail")
    async def order(tasks: BackgroundTasks) -> None:
        tasks.add_task(BackgroundTask(send_mail, "you"))

    rows = audit(app, tmp_path, monkeypatch, get("/mail"))
    assert sent == ["you"]
    assert [find_functions(row)[0] for row in rows] == ["send_mail"]


@pytest.mark.parametrize(
    "maker", MAKERS, ids=lambda each: f"{each.module}.{each.owner}.{each.name}"
)
def test_a_wrapped_maker_is_a_coroutine_function_if_it_was_one(maker: Maker) -> None:
    pytest.importorskip(maker.module.partition(".")[0])
    made.instrument_makers()
    module = importlib.import_module(maker.module)
    owner = getattr(module, maker.owner) if maker.owner else module
    found = getattr(owner, maker.name)
    original = getattr(found, "probe_original", found)
    assert inspect.iscoroutinefunction(found) == inspect.iscoroutinefunction(original)


def test_threads_are_noted_when_they_start_and_when_they_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, stop = FastAPI(), threading.Event()
    started: list[threading.Thread] = []

    @app.get("/stays")
    async def stay() -> None:
        started.append(threading.Thread(target=stop.wait))
        started[-1].start()

    @app.get("/ends")
    def finish() -> None:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

    rows = audit(app, tmp_path, monkeypatch, get("/stays", "/ends"))
    stop.set()
    started[0].join()
    first = rows[0].visit
    seen = [(row.visit - first, row.kind, find_functions(row)[0]) for row in rows]
    assert seen == [(0, "thread", "stay"), (1, "thread", "finish"), (1, "thread end", "finish")]
    assert rows[2].at_s - rows[2].took_s == pytest.approx(rows[1].at_s, abs=1e-9)


def test_threads_of_an_executor_count_where_the_request_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shared pool may fill up."""
    app, shared = FastAPI(), ThreadPoolExecutor(4)
    kept: list[ThreadPoolExecutor] = []

    def find_length(text: str) -> int:
        return len(text)

    @app.get("/own")
    async def make_own() -> None:
        kept.append(ThreadPoolExecutor(2))
        kept[-1].submit(find_length, "x").result()

    @app.get("/shared")
    def use_shared() -> None:
        shared.submit(find_length, "x").result()

    rows = audit(app, tmp_path, monkeypatch, get("/shared", "/own"))
    for each in (shared, *kept):
        each.shutdown()
    assert [(row.kind, find_functions(row)[0]) for row in rows] == [("executor thread", "make_own")]


@pytest.mark.parametrize("is_outside", [True, False])
def test_threads_of_an_executor_are_known_through_another_librarys_wrapper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_outside: bool
) -> None:
    """Sentry wraps `Thread.start` too, before the probe or after it; so may a second library."""
    made.instrument_makers()
    probes = threading.Thread.start

    def wrap(start: Start) -> Start:
        @functools.wraps(start)  # as Sentry does
        def wrapped(thread: threading.Thread) -> None:
            start(thread)

        return wrapped

    original = vars(probes)["probe_original"]
    inner = probes if is_outside else wrap(wrap(original))
    start = wrap(wrap(inner)) if is_outside else made.wrap_thread_start(inner)
    vars(start)["probe_original"] = original
    monkeypatch.setattr(threading.Thread, "start", start)
    app, shared = FastAPI(), ThreadPoolExecutor(4)

    @app.get("/shared")
    async def use_shared() -> None:
        shared.submit(int).result()

    @app.get("/own")
    async def make_own() -> None:
        with ThreadPoolExecutor(2) as own:
            own.submit(int).result()

    rows = audit(app, tmp_path, monkeypatch, get("/shared", "/own"))
    shared.shutdown()
    assert [row.kind for row in rows] == ["executor thread", "executor thread end"]


def test_what_an_executors_thread_makes_belongs_to_its_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()

    @app.get("/")
    async def root() -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, ssl.create_default_context)

    rows = audit(app, tmp_path, monkeypatch, get("/"))
    (row,) = [each for each in rows if each.kind == "TLS context"]
    assert row.visit


def test_a_fault_of_the_probe_does_not_reach_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(made.MadeLog, "note", fail)
    monkeypatch.setattr(made, "known_errors", set())
    app = FastAPI()

    @app.get("/")
    async def root() -> None:
        ssl.create_default_context()

    async def calls(app: App) -> None:
        for _ in range(2):
            assert (await ask(app, "/")).status == 200

    assert audit(app, tmp_path, monkeypatch, calls) == []
    assert len([each for each in caplog.records if "are not recorded" in each.message]) == 1


def test_outside_an_audit_nothing_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = FastAPI()

    @app.get("/")
    async def root() -> None:
        ssl.create_default_context()

    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    observe(app, tmp_path, get("/"))
    (path,) = tmp_path.glob("probe-*.journal")
    assert b'"m"' not in path.read_bytes()


def test_an_executor_without_a_hash_costs_no_other_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(ThreadPoolExecutor):
        __hash__ = None  # type: ignore[assignment]

    app = FastAPI()

    @app.get("/odd")
    async def start_odd() -> None:
        Odd(1).shutdown()

    @app.get("/context")
    async def connect() -> None:
        ssl.create_default_context()

    monkeypatch.setattr(made, "known_errors", set())
    rows = audit(app, tmp_path, monkeypatch, get("/odd", "/odd", "/context"))
    assert [row.kind for row in rows] == ["TLS context"]
    assert caplog.text.count("some created objects are not recorded") == 1
