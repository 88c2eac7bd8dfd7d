"""One watchdog for all loops and probes of a process: what it leaves behind, and what it sees."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from asgi_probe import Probe, middleware, stacks
from asgi_probe.blocks import watches
from asgi_probe.journal import FRAME, ProbeJournal
from asgi_probe.request_record import HANDLERS
from asgi_probe.routes import App, Message, Receive, Scope, Send
from asgi_probe.session import open_journal
from asgi_probe.settings import BEAT_VARIABLE, BYTES_VARIABLE, STACKS_VARIABLE, read_journal_limit
from asgi_probe.watchdog import watchdog

from tests.probe.support import ask, ignore, observe, read_rows, read_table

BLOCK_S = 0.1
CLOSED = b'"closed": 1'
DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
def alone() -> None:
    """Without what the tests of other modules left on their loops."""
    gc.collect()
    wait_until_ended()


def wait_until_ended() -> None:
    thread = watchdog._thread
    if thread is not None:
        thread.join(5)
    assert not find_watchdogs()


def find_watchdogs() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "probe watchdog"]


def answer_after(work: Callable[[], object]) -> App:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        work()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


def block() -> None:
    time.sleep(BLOCK_S)  # in the loop's thread, like the planted code


def read_only_journal(folder: Path) -> bytes:
    (path,) = folder.glob("probe-*.journal")
    return path.read_bytes()


def find_blocks(folder: Path) -> list[SimpleNamespace]:
    rows = {row.stretch: row for row in read_table(read_only_journal(folder), "b")}
    return [each for each in rows.values() if each.ended_s - each.began_s > 0.9 * BLOCK_S]


def count_leftovers() -> tuple[int, int, int, int]:
    """Threads, open files, watched loops and callbacks of the garbage collector."""
    files = len(list(DESCRIPTORS.iterdir())) if DESCRIPTORS.exists() else 0
    return threading.active_count(), files, len(watches), len(gc.callbacks)


@pytest.mark.parametrize("probes", ["one", "many"])
def test_short_lived_loops_leave_nothing(tmp_path: Path, probes: str) -> None:
    """Without a lifespan nothing announces the app's end."""
    app = answer_after(int)
    probe = Probe(app, tmp_path)
    before = count_leftovers()
    for _ in range(300):
        asyncio.run(ask(probe if probes == "one" else Probe(app, tmp_path), "/"))
    wait_until_ended()
    assert count_leftovers() == before
    requests, _ = read_rows(tmp_path)  # of the only journal
    assert len({row.visit for row in requests}) == 300


def test_memory_does_not_grow_with_the_number_of_loops(tmp_path: Path) -> None:
    def serve(loops: int) -> int:
        for _ in range(loops):
            asyncio.run(ask(Probe(answer_after(int), tmp_path), "/"))
        wait_until_ended()
        gc.collect()
        return len(gc.get_objects())

    serve(20)
    assert serve(200) - serve(20) < 200  # less than one object per loop


def test_each_loop_of_a_probe_is_watched_from_its_first_request_on(tmp_path: Path) -> None:
    """The watchdog may not yet have noticed that the loop before has ended."""
    probe = Probe(answer_after(block), tmp_path)
    for _ in range(3):
        asyncio.run(ask(probe, "/"))
    wait_until_ended()
    visits = [row.visit for row in read_rows(tmp_path)[0]]
    assert len(visits) == 3
    assert [each.visit for each in find_blocks(tmp_path)] == visits


def test_a_watchdog_ends_with_its_loops_thread(tmp_path: Path) -> None:
    """The loop was never closed."""
    loops: list[asyncio.AbstractEventLoop] = []

    def run() -> None:
        loops.append(asyncio.new_event_loop())
        loops[0].run_until_complete(ask(Probe(answer_after(int), tmp_path), "/"))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    wait_until_ended()
    loops[0].close()


def test_without_the_gil_a_loop_is_watched_on_although_it_has_no_stacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread without a stack was taken for one that has ended."""
    monkeypatch.setattr(stacks, "has_gil", lambda: False)

    async def run() -> None:
        probe = Probe(answer_after(int), tmp_path)
        await ask(probe, "/")
        (first,) = find_watchdogs()
        await asyncio.sleep(0.7)  # it looks for ended threads four times per second
        assert find_watchdogs() == [first]
        probe.stop()

    asyncio.run(run())


def test_a_loop_that_no_longer_runs_is_not_watched_until_its_next_request(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    probe = Probe(answer_after(int), tmp_path)
    try:
        for _ in range(2):
            loop.run_until_complete(ask(probe, "/"))
            wait_until_ended()
    finally:
        loop.close()
    assert len(read_rows(tmp_path)[0]) == 2


def test_loops_that_run_at_the_same_time_are_told_apart(tmp_path: Path) -> None:
    probe = Probe(answer_after(block), tmp_path)
    together = threading.Barrier(3)
    natives: list[int] = []

    async def serve() -> None:
        natives.append(threading.get_native_id())
        await ask(probe, "/")
        await asyncio.get_running_loop().run_in_executor(None, together.wait, 10)

    threads = [threading.Thread(target=lambda: asyncio.run(serve())) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    probe.stop()
    requests, samples = read_rows(tmp_path)
    assert sorted(row.visit for row in requests) == sorted(
        each.visit for each in find_blocks(tmp_path)
    )
    assert {row.loop_thread for row in samples} == set(natives)
    assert max(row.threads_loop for row in samples) == 3
    assert len({each.stretch for each in find_blocks(tmp_path)}) == 3


def test_two_probes_on_one_loop_share_its_samples(tmp_path: Path) -> None:
    probes = [Probe(answer_after(block), tmp_path) for _ in range(2)]

    async def serve() -> None:
        for each in probes:
            await ask(each, "/")
            await asyncio.sleep(0)  # ends the handle
        assert len(find_watchdogs()) == len(watches) == 1
        probes[0].stop()
        await asyncio.sleep(0)
        await ask(probes[1], "/")  # still watched

    asyncio.run(serve())
    probes[1].stop()
    visits = [row.visit for row in read_rows(tmp_path)[0]]
    assert len(visits) == 3
    assert [each.visit for each in find_blocks(tmp_path)] == visits


def test_two_folders_on_one_loop_have_a_journal_each(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for each in folders:
        each.mkdir()
    probes = [Probe(answer_after(int), each) for each in folders]

    async def serve() -> None:
        for each in probes:
            await ask(each, "/")
        probes[0].stop()
        await ask(probes[1], "/")

    asyncio.run(serve())
    probes[1].stop()
    assert [len(read_rows(each)[0]) for each in folders] == [1, 2]


def test_a_folder_that_is_deleted_gets_a_new_journal(tmp_path: Path) -> None:
    probe = Probe(answer_after(int), tmp_path)
    for _ in range(2):
        asyncio.run(ask(probe, "/"))
        wait_until_ended()
        (path,) = tmp_path.glob("probe-*.journal")
        assert len(read_rows(tmp_path)[0]) == 1
        path.unlink()


def test_a_journal_that_is_removed_while_it_is_written_goes_on_in_a_new_file(
    tmp_path: Path,
) -> None:
    """Another process takes a paused one for ended, and removes its journals."""
    path = tmp_path / "probe-1-1.0.journal"
    journal = ProbeJournal(path, {"h": HANDLERS}, {"pid": 1})
    path.unlink()
    journal.add("h", bytes(8))
    journal.close()
    (again,) = tmp_path.glob("probe-*.journal")
    assert again.read_bytes().count(bytes(8)) == 1


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="needs /proc")
def test_a_number_that_is_another_file_now_is_the_apps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An app closes descriptors that it does not know, and its next file gets the number."""
    probe, path = Probe(answer_after(int), tmp_path), tmp_path / "data.txt"

    async def serve() -> list[int]:
        await ask(probe, "/")
        taken = find_long_descriptors()
        with path.open("wb") as file:
            for each in taken:
                os.dup2(file.fileno(), each)
            file.write(b"the app's")
        await ask(probe, "/")
        probe.stop()
        return taken

    taken = asyncio.run(serve())
    wait_until_ended()
    assert len(taken) == 3  # the journal, and what the kernel says about two threads
    assert path.read_bytes() == b"the app's"
    assert "the app has closed a descriptor of the probe" in caplog.text
    for each in taken:
        assert os.path.samestat(os.fstat(each), path.stat())
        os.close(each)


def find_long_descriptors() -> list[int]:
    """Of the journal and of the watched threads; the second thread is the watchdog's own."""
    deadline_s = time.monotonic() + 5
    while True:
        found = []
        for each in DESCRIPTORS.iterdir():
            with suppress(OSError):  # a file that the watchdog reads at once
                if each.readlink().name.endswith((".journal", "schedstat")):
                    found.append(int(each.name))
        if len(found) == 3:
            return found
        assert time.monotonic() < deadline_s


def test_a_fault_in_one_probes_folder_leaves_the_others_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    broken, whole = (
        Probe(answer_after(int), each) for each in (tmp_path / "file" / "no folder", tmp_path)
    )

    async def serve() -> None:
        for each in (broken, whole):
            assert (await ask(each, "/")).status == 200

    asyncio.run(serve())
    whole.stop()
    assert (broken.recorder.off, whole.recorder.off) == (True, False)
    assert len(read_rows(tmp_path)[0]) == 1


@pytest.mark.parametrize("has_failed", [False, True])
@pytest.mark.parametrize("leaves", [False, True])
def test_only_a_probe_that_did_not_fail_marks_its_journal_as_whole(
    tmp_path: Path, leaves: bool, has_failed: bool
) -> None:
    """leaves: its lifespan ends before the watchdog has seen the fault."""
    probe = Probe(answer_after(int), tmp_path)

    async def serve() -> None:
        await ask(probe, "/")
        if has_failed:
            probe.recorder.switch_off(ValueError())
        if leaves:
            probe.stop()

    asyncio.run(serve())
    wait_until_ended()
    assert (CLOSED in read_only_journal(tmp_path)) == (not has_failed)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_a_forked_child_writes_its_own_journal(tmp_path: Path) -> None:
    """As under gunicorn with preload, whose parent has served a request, at worst."""
    probe = Probe(answer_after(int), tmp_path)

    async def fork_and_wait() -> None:
        await ask(probe, "/")
        pid = os.fork()
        if pid == 0:
            os._exit(serve_in_child(probe))
        assert os.waitpid(pid, 0)[1] == 0
        await ask(probe, "/")

    asyncio.run(fork_and_wait())
    probe.stop()
    paths = {path.name.split("-")[1]: path for path in tmp_path.glob("probe-*.journal")}
    own = paths.pop(str(os.getpid()))
    (childs,) = paths.values()
    assert [len(read_table(each.read_bytes(), "h")) for each in (own, childs)] == [2, 3]


def serve_in_child(probe: Probe) -> int:
    """Return 0 if all went well. The loop of the parent is still the running one in this thread."""

    def serve() -> None:
        for _ in range(3):
            asyncio.run(ask(probe, "/"))
        probe.stop()

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join(10)
    for each in find_watchdogs():
        each.join(10)
    return 1 if thread.is_alive() or find_watchdogs() else 0


def run_without_loop(call: Coroutine[object, None, None]) -> None:
    with pytest.raises(StopIteration):
        call.send(None)


def test_without_asyncio_it_says_once_that_it_sees_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As under trio."""
    reached: list[object] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        reached.append(scope["type"])

    async def receive() -> Message:
        raise AssertionError

    middleware.warn_without_asyncio.cache_clear()
    probes = [Probe(app, tmp_path) for _ in range(2)]
    for probe in (*probes, *probes):
        run_without_loop(probe({"type": "http"}, receive, ignore))
    assert reached == ["http"] * 4
    assert all(each.recorder.off for each in probes)
    (said,) = caplog.records
    assert "trio" in said.message
    assert said.exc_info is None
    assert not list(tmp_path.iterdir())


def test_under_trio_the_app_works(tmp_path: Path) -> None:
    trio = pytest.importorskip("trio")
    statuses: list[object] = []

    async def send(message: Message) -> None:
        statuses.append(message.get("status"))

    async def receive() -> Message:
        raise AssertionError

    probe = Probe(answer_after(int), tmp_path)
    trio.run(probe, {"type": "http"}, receive, send)
    assert statuses == [200, None]


def test_without_stacks_the_loop_is_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STACKS_VARIABLE, "0")
    monkeypatch.setenv(BEAT_VARIABLE, "10")
    probe = Probe(answer_after(block), tmp_path)
    asyncio.run(ask(probe, "/"))
    probe.stop()
    requests, samples = read_rows(tmp_path)
    assert [row.status for row in requests] == [200]
    assert max(row.heartbeat_age_s for row in samples) > BLOCK_S / 2
    content = read_only_journal(tmp_path)
    _, length = FRAME.unpack_from(content)
    header = json.loads(content[FRAME.size : FRAME.size + length])
    assert not {"b", "c"} & header["tables"].keys()  # a reader sees that they were not recorded


@pytest.mark.parametrize("text", ["0", "00", "-1", "1MB", pytest.param("9" * 5000, id="long")])
def test_a_limit_that_is_no_positive_integer_is_none(
    text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(BYTES_VARIABLE, text)
    assert read_journal_limit() is None
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.endswith("which is not a positive integer")


def test_a_slow_beat_is_dense_while_something_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BEAT_VARIABLE, "50")
    probe = Probe(answer_after(lambda: time.sleep(0.3)), tmp_path)

    async def serve() -> None:
        for _ in range(2):
            await asyncio.sleep(0.5)  # ten periods
            await ask(probe, "/")

    asyncio.run(serve())
    probe.stop()
    (block,) = find_blocks(tmp_path)[-1:]
    content = read_only_journal(tmp_path)
    stacks = [each for each in read_table(content, "c") if each.stretch == block.stretch]
    assert len(stacks) >= 10  # of 25; 5 at the period of 50 ms
    quiet = [row for row in read_table(content, "s") if row.at_s < block.began_s - 0.1]
    assert len(quiet) < 60  # of 40; 110 at a period of 10 ms
    assert min(row.heartbeat_age_s for row in quiet[-5:]) < 0.03  # a period is no delay


def test_memory_does_not_grow_with_the_number_of_requests(tmp_path: Path) -> None:
    """`python -m benchmarks.probe_memory` sends a million."""
    probe = Probe(answer_after(int), tmp_path, max_journal_bytes=1 << 20)

    async def serve(requests: int) -> int:
        for number in range(requests):
            await probe({"type": "http", "path": f"/{number % 50}"}, receive_nothing, ignore)
            if number % 500 == 0:
                await asyncio.sleep(0.01)  # lets the watchdog write
        gc.collect()
        return len(gc.get_objects())

    async def compare() -> None:
        first = await serve(5_000)
        assert await serve(20_000) - first < 500

    asyncio.run(compare())
    probe.stop()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1 << 20


def test_what_clients_choose_takes_no_room_from_the_apps_own_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths without a route, and methods that nobody knows."""
    monkeypatch.setattr("asgi_probe.journal.MOST_STRINGS", 100)
    probe = Probe(answer_after(int), tmp_path)

    async def serve() -> None:
        for number in range(200):
            await ask(probe, f"ASK{number} /wp-admin/{number}")
        probe._call = answer_after(block)
        await ask(probe, "POST /")

    asyncio.run(serve())
    probe.stop()
    requests, _ = read_rows(tmp_path)
    assert len({row.route for row in requests}) < 20
    assert requests[-1].method == "POST"
    stacks = [row.stack for row in read_table(read_only_journal(tmp_path), "c")]
    assert any(each.startswith("[") and "block" in each for each in stacks)


def test_a_finalizer_may_have_a_new_text_while_another_is_interned(tmp_path: Path) -> None:
    """A finalizer of the app's may start a thread or create a client, which are recorded."""
    journal = ProbeJournal(tmp_path / "probe-1.journal", {"t": (("name", "text"),)}, {"pid": 1})
    numbers, limits, late = itertools.count(), gc.get_threshold(), []

    def finalize(phase: str, _: object) -> None:
        if phase == "start":
            late.append(journal.intern_text(f"late {next(numbers)}"))

    def intern() -> None:
        gc.callbacks.append(finalize)
        gc.set_threshold(1)
        late.extend(journal.intern_text(f"text {number}") for number in range(500))

    thread = threading.Thread(target=intern, daemon=True)
    try:
        thread.start()
        thread.join(20)  # takes milliseconds, or for ever
    finally:
        gc.callbacks.remove(finalize)
        gc.set_threshold(*limits)
    assert not thread.is_alive()
    assert next(numbers) > 10
    assert len(set(late)) == len(late)
    journal.close()


async def receive_nothing() -> Message:
    return {}


def test_a_fault_of_the_watchdog_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its thread died with a traceback, and a report of one request mentioned nothing."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("asgi_probe.process_census.ProcessCensus.update", fail)
    probe = Probe(answer_after(block), tmp_path)

    async def run() -> None:
        await ask(probe, "/")
        await ask(probe, "/")

    asyncio.run(run())
    wait_until_ended()
    assert caplog.text.count("the probe is switched off after an error: ZeroDivisionError") == 1


def test_a_thread_that_the_system_refuses_is_no_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second probe of the process tries again."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("asgi_probe.probe_thread.ProbeThread.start", refuse)
        asyncio.run(ask_once(Probe(answer_after(int), tmp_path / "first")))
    assert not watchdog.is_running()
    observe(answer_after(int), tmp_path / "second", ask_once)
    rows, _ = read_rows(tmp_path / "second")
    assert len(rows) == 1


def test_a_disk_that_does_not_answer_delays_the_end_briefly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("asgi_probe.watchdog.STOP_S", 0.05)
    with watchdog._lock:  # as while a file is closed
        began_s = time.monotonic()
        watchdog.stop()
    assert time.monotonic() - began_s < 1  # twenty times the limit, for a busy machine


def test_a_torn_journal_is_not_continued(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, None)
    journal.close()
    assert journal.reopen()
    journal._torn = True  # as after a full disk
    journal.close()
    assert not journal.reopen()


async def ask_once(probed: App) -> None:
    await ask(probed, "/")
