"""The probe must not affect the audited app: calls, names, errors and lifetimes stay the same."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from asgi_probe import made
from asgi_probe.attach_report import DIRECTORY_VARIABLE
from asgi_probe.handovers import log
from asgi_probe.journal import ProbeJournal
from asgi_probe.routes import App, Receive, Scope, Send

from tests.probe.handover_support import Gate
from tests.probe.support import ask, get, observe, read_table


@pytest.fixture(autouse=True)
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))


def answer_after(work: Callable[[], Awaitable[object]]) -> App:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await work()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


def audit_call(work: Callable[[], Awaitable[object]], folder: Path) -> None:
    """Run it in a request."""
    observe(answer_after(work), folder, get("/"))


SIGNALLED = """
import asyncio, os, signal, sys, threading, time
from pathlib import Path
from asgi_probe import Probe, relay
from asgi_probe.testing.loop_threads import LoopThreads
from asgi_probe.testing.sampler import Sampler
from tests.probe.support import ask

async def app(scope, receive, send):
    client = connect(str(folder / "socket"))
    assert client.recv(1)  # its thread sends journals
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.sigwait([signal.SIGUSR1])
    print(sorted(each.name for each in threading.enumerate()))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})

def connect(path):
    while True:
        try:
            return relay.connect(path)
        except OSError:  # until its thread listens
            time.sleep(0.01)

folder = Path(sys.argv[1])
Sampler(LoopThreads()).start()
relay.start_relay(folder, str(folder / "socket"))
asyncio.run(ask(Probe(app, folder), "/"))
"""


def test_its_threads_take_no_signal_that_the_app_waits_for(tmp_path: Path) -> None:
    """In a process of its own, which the signal would end."""
    done = subprocess.run(
        (sys.executable, "-c", SIGNALLED, str(tmp_path)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    threads = ["MainThread", *["probe relay"] * 2, "probe test sampler", "probe watchdog"]
    assert (done.returncode, done.stderr, done.stdout.strip()) == (0, "", str(threads))


class Kept:
    """One of the app's objects."""


def test_a_function_may_be_given_by_its_name(tmp_path: Path) -> None:
    async def work() -> None:
        assert await anyio.to_thread.run_sync(func=lambda: 7) == 7
        with pytest.raises(TypeError, match="'func'"):
            await anyio.to_thread.run_sync()  # type: ignore[call-arg]

    audit_call(work, tmp_path)


def test_a_loop_of_another_make_takes_its_function_by_name(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def work() -> None:
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(executor=None, func=lambda: 7) == 7

    async def audited() -> None:
        from asgi_probe import Probe

        await ask(Probe(answer_after(work), tmp_path), "/")

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(audited())
    finally:
        loop.close()


def test_a_call_may_have_arguments_of_any_name(tmp_path: Path) -> None:
    def echo(**given: int) -> dict[str, int]:
        return given

    given = {"self": 1, "fn": 2, "function": 3, "args": 4}

    async def work() -> None:
        with ThreadPoolExecutor(1) as executor:
            assert executor.submit(echo, **given).result() == given

    audit_call(work, tmp_path)


def test_what_is_wrapped_keeps_its_name_and_signature(tmp_path: Path) -> None:
    async def work() -> None:
        run_sync = anyio.to_thread.run_sync
        assert pickle.loads(pickle.dumps(run_sync)) is run_sync
        assert next(iter(inspect.signature(run_sync).parameters)) == "func"
        assert list(inspect.signature(ThreadPoolExecutor.submit).parameters)[:2] == ["self", "fn"]
        acquire = type(anyio.CapacityLimiter(1)).acquire_on_behalf_of
        assert acquire.__qualname__ == "CapacityLimiter.acquire_on_behalf_of"

    audit_call(work, tmp_path)


def test_one_borrower_may_wait_twice(tmp_path: Path) -> None:
    async def work() -> None:
        limiter = anyio.CapacityLimiter(1)
        limiter.acquire_on_behalf_of_nowait("first")
        waits = [asyncio.ensure_future(limiter.acquire_on_behalf_of("it")) for _ in range(2)]
        await asyncio.sleep(0)
        for wait in waits:
            wait.cancel()
        errors = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(each) for each in errors] == [asyncio.CancelledError] * 2
        limiter.release_on_behalf_of("first")

    audit_call(work, tmp_path)


def test_a_thread_class_may_have_no_module(tmp_path: Path) -> None:
    async def work() -> None:
        thread = type("Own", (threading.Thread,), {"__module__": None})()
        thread.start()
        thread.join()

    audit_call(work, tmp_path)
    assert not made.open_logs


def test_a_future_keeps_nothing_of_a_call_that_has_ended(tmp_path: Path) -> None:
    async def work() -> None:
        thing, gate, executor = Kept(), Gate(), ThreadPoolExecutor(1)
        seen = weakref.ref(thing)
        future = executor.submit(lambda _: gate.enter(), thing)
        del thing
        await gate.wait_until_entered()  # running, so that the future keeps its callbacks
        gate.leave.set()
        executor.shutdown()
        gc.collect()
        assert future.done()
        assert seen() is None

    audit_call(work, tmp_path)


def test_a_requests_state_ends_with_it(tmp_path: Path) -> None:
    """A pool's threads stay alive after the requests that they worked for."""
    seen: list[weakref.ref[Kept]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        thing = Kept()
        scope["state"] = {"thing": thing}
        seen.append(weakref.ref(thing))
        await answer_after(lambda: anyio.to_thread.run_sync(len, ()))(scope, receive, send)

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        gc.collect()
        assert [each() for each in seen] == [None]

    observe(app, tmp_path, calls)


def test_the_globals_of_code_that_asks_are_not_kept(tmp_path: Path) -> None:
    """Code such as a template's or a notebook's."""

    async def work() -> None:
        thing = Kept()
        names: dict[str, object] = {"thing": thing, "pool": pool}
        seen = weakref.ref(thing)
        exec("future = pool.submit(len, ())", names)
        del thing, names
        gc.collect()
        assert seen() is None

    with ThreadPoolExecutor(1) as pool:
        audit_call(work, tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_a_child_that_is_forked_in_a_request_notes_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        assert made.open_logs
        pid = os.fork()
        if pid == 0:
            os._exit(bool(made.open_logs) or log.journal is not None)
        assert os.waitpid(pid, 0)[1] == 0

    audit_call(work, tmp_path)


def test_a_full_disk_leaves_a_journal_that_can_be_read(tmp_path: Path) -> None:
    """A frame that is only partly written is the last one."""
    path = tmp_path / "it.journal"
    journal = ProbeJournal(path, {"m": made.MADE}, {})
    file = journal._file
    row = made.pack(1, 0.0, 0, 0.0, 0.0, 0)
    journal.add("m", row)
    journal.flush()
    journal._file = HalfFull(file)  # type: ignore[assignment]
    journal.add("m", row * 2)
    with pytest.raises(OSError, match="full"):
        journal.flush()
    journal._file = file  # there is room again
    journal.add("m", row * 3)
    journal.close()
    assert len(read_table(path.read_bytes(), "m")) == 1
    assert not file.is_own()  # it is closed


class HalfFull:
    def __init__(self, file: object) -> None:
        self._file = file
        self._room = 20

    def write(self, content: bytes) -> int:
        if not self._room:
            raise OSError("full")
        part, self._room = content[: self._room], 0
        return int(self._file.write(part))  # type: ignore[attr-defined]

    def is_removed(self) -> bool:
        return False


def test_an_app_whose_middleware_cannot_be_replaced_is_built_as_it_is(tmp_path: Path) -> None:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.gzip import GZipMiddleware

    class Fixed(Starlette):
        @property
        def user_middleware(self) -> list[Middleware]:
            return [Middleware(GZipMiddleware)]

        @user_middleware.setter
        def user_middleware(self, layers: list[Middleware]) -> None:
            if layers:
                raise AttributeError("fixed")

    answers = []

    async def calls(probed: App) -> None:
        answers.append((await ask(probed, "/nowhere")).status)

    observe(Fixed(), tmp_path, calls)
    assert answers == [404]
