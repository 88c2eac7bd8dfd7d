"""The socket on which a service sends its journals, and the command that reads it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from time import monotonic, sleep

import asgi_probe
import pytest
from asgi_probe import Probe, relay
from asgi_probe.addresses import LONGEST_PATH, Address, parse_address
from asgi_probe.errors import UsageError
from asgi_probe.journal import FRAME
from asgi_probe.live_state import ServiceState
from asgi_probe.own_descriptor import OwnSocket
from asgi_probe.relay import GREETING, MESSAGE, MOST_CLIENTS, start_relay, stop_relays
from asgi_probe.routes import Receive, Scope, Send
from asgi_probe.top import ServiceEndedError, SocketSource, open_source, watch

from .journal_support import WrittenJournal, written
from .support import get

HOME = Path(asgi_probe.__file__).parent.parent
PATIENCE_S = 20.0
"""Time for a thread to start, and for another process to import the package, on a busy machine."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[WrittenJournal]:
    (tmp_path / "journals").mkdir()
    with written(tmp_path / "journals", pid=7) as journal:
        journal.add_request(1, "/items", 1.0)
        journal.add_sample(2.0)
        journal.flush()
        yield journal


@pytest.fixture
def path(tmp_path: Path, journal: WrittenJournal) -> Iterator[str]:
    """The path of a socket that is served, in this process."""
    path = str(tmp_path / "socket")
    start_relay(journal.path.parent, path)
    deadline_s = monotonic() + PATIENCE_S
    while not is_answered(path):
        assert monotonic() < deadline_s
        sleep(0.01)
    yield path
    stop_relays()
    assert not Path(path).exists()


def is_answered(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def run_top(*words: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "asgi_probe", "top", *words),
        env={**os.environ, "PYTHONPATH": str(HOME), "PYTHONIOENCODING": encoding},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def count_in_flight(state: ServiceState) -> int:
    return sum(line.in_flight for line in state.list_routes())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9464)),
        ("[::1]:9464", ("::1", 9464)),
        ("/run/probe", "/run/probe"),
        ("./probe", "./probe"),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "here", "host:", ":0", "a:65536", "9" * 5000, "/" * (LONGEST_PATH + 1)]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError):
        parse_address(text)
    if text:
        with pytest.raises(UsageError):
            Probe(lambda *_: None, listen=text)  # type: ignore[arg-type]


def test_a_client_gets_what_is_there_and_then_what_is_new(
    path: str, journal: WrittenJournal
) -> None:
    state = ServiceState()
    with closing(open_source(path)) as source:
        state.read(source.read_new())
        assert [line.pid for line in state.list_processes()] == [7]
        assert count_in_flight(state) == 1
        journal.add_request(2, "/items", 2.5)
        journal.flush()
        deadline_s = monotonic() + PATIENCE_S
        while count_in_flight(state) < 2:
            assert monotonic() < deadline_s
            state.read(source.read_new())


def test_only_this_user_can_open_the_socket(path: str) -> None:
    assert Path(path).stat().st_mode & 0o777 == 0o600


def test_a_browser_gets_nothing(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.settimeout(PATIENCE_S)
        try:
            received = client.recv(100)
        except ConnectionResetError:  # it closed without reading all
            received = b""
    assert received == b""


def test_more_clients_than_allowed_are_turned_away(path: str) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_CLIENTS):
            assert list(stack.enter_context(closing(open_source(path))).read_new())
        done = run_top(path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"asgi-probe: {path}: it has {MOST_CLIENTS} other viewers\n"


def test_a_second_process_waits_and_a_dead_ones_socket_is_replaced(
    path: str, journal: WrittenJournal
) -> None:
    with pytest.raises(OSError, match="another process listens"), relay.listen(path):
        pass
    dead = f"{path}-2"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(dead)
    assert not is_answered(dead)
    start_relay(journal.path.parent, dead)
    deadline_s = monotonic() + PATIENCE_S
    while not is_answered(dead):
        assert monotonic() < deadline_s
        sleep(0.01)


@pytest.fixture(params=["file", "link", "folder", "pipe", "busy", "datagram"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """What is not the probe's own."""
    other = tmp_path / "other"
    kind = socket.SOCK_DGRAM if request.param == "datagram" else socket.SOCK_STREAM
    with ExitStack() as stack:
        if request.param == "file":
            other.write_text("import asgi_probe")
        elif request.param == "link":
            other.symlink_to("nowhere")
        elif request.param == "folder":
            other.mkdir()
        elif request.param == "pipe":
            os.mkfifo(other)
        else:
            stack.enter_context(socket.socket(socket.AF_UNIX, kind)).bind(str(other))
        if request.param == "busy":
            fill_backlog(other, stack)
        yield other


def fill_backlog(path: Path, stack: ExitStack) -> None:
    """Leave a socket whose process takes no client."""
    server = stack.enter_context(socket.socket(socket.AF_UNIX))
    path.unlink()
    server.bind(str(path))
    server.listen(0)
    for _ in range(4):
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.setblocking(False)
        with suppress(BlockingIOError):
            client.connect(str(path))


def test_nothing_else_is_replaced(other: Path) -> None:
    before = other.lstat()
    with pytest.raises(OSError, match="another"), relay.listen(str(other)):
        pass
    unready = other.with_name(f"free.{os.getpid()}")
    other.rename(unready)  # the name that the probe binds first
    with pytest.raises(OSError, match="another"), relay.listen(str(other.with_name("free"))):
        pass
    unready.rename(other)
    assert (other.lstat().st_ino, other.lstat().st_size) == (before.st_ino, before.st_size)


def test_a_service_says_once_that_it_cannot_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(relay, "PATIENCE_S", 0.5)
    (tmp_path / "file").touch()
    run_relay_thrice(tmp_path, str(tmp_path / "file"), monkeypatch)
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.endswith("another file is there, and it is no socket")
    caplog.clear()
    with socket.create_server(("127.0.0.1", 0)) as taken:  # never answers
        run_relay_thrice(tmp_path, taken.getsockname(), monkeypatch)
    (line,) = [each.getMessage() for each in caplog.records]
    assert "Address already in use" in line


def test_a_worker_is_silent_while_another_one_serves(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run_relay_thrice(tmp_path, path, monkeypatch)
    assert not caplog.records


def run_relay_thrice(folder: Path, address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []
    stop = threading.Event()

    def wait(wait_s: float) -> None:
        tries.append(wait_s)
        if len(tries) == 3:
            stop.set()

    monkeypatch.setattr(stop, "wait", wait)
    relay.run_relay(folder, address, stop)


def test_a_socket_that_another_process_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with relay.listen(str(path)):
        path.with_name("new").touch()
        path.with_name("new").replace(path)
    assert path.exists()


def test_a_probe_that_stops_removes_its_socket_and_may_start_again(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    probe = Probe(answer, tmp_path, listen=path)

    async def serve() -> None:
        for _ in range(2):
            await get("/")(probe)
            deadline_s = monotonic() + PATIENCE_S
            while not is_answered(path):
                assert monotonic() < deadline_s
                await asyncio.sleep(0.01)
            probe.stop()
            assert not Path(path).exists()

    asyncio.run(serve())


def test_a_socket_whose_number_is_another_one_now_is_the_apps(
    path: str, journal: WrittenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app closes descriptors that it does not know. The next socket that it opens gets the
    number, and here it listens, too. The relay listens again."""
    opened: list[OwnSocket] = []

    init = OwnSocket.__init__

    def note(own: OwnSocket, connection: socket.socket) -> None:
        opened.append(own)
        init(own, connection)

    monkeypatch.setattr(OwnSocket, "__init__", note)
    (server,) = relay.listening
    apps_server, (apps_client, peer) = socket.create_server(("127.0.0.1", 0)), socket.socketpair()
    with apps_server, apps_client, peer, closing(open_source(path)) as source:
        list(source.read_new())
        viewer = opened[-1]
        os.dup2(apps_client.fileno(), viewer.number)
        os.dup2(apps_server.fileno(), server.number)
        with suppress(UsageError):  # ends the `accept` that has begun, if one has
            open_source(path).close()
        socket.create_connection(apps_server.getsockname()).close()  # the same, a moment later
        await_that(lambda: server not in relay.listening)
        journal.add_request(2, "/items", 2.5)
        journal.flush()
        await_that(lambda: viewer.connection.fileno() == -1)
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(1)
        await_that(lambda: is_answered(path))
        for own, apps in ((viewer, apps_client), (server, apps_server)):
            assert os.path.samestat(os.fstat(own.number), os.fstat(apps.fileno()))
            os.close(own.number)


def await_that(is_so: Callable[[], bool]) -> None:
    deadline_s = monotonic() + PATIENCE_S
    while not is_so():
        assert monotonic() < deadline_s
        sleep(0.01)


def test_a_process_starts_one_relay_for_all_its_probes(path: str, journal: WrittenJournal) -> None:
    count = threading.active_count()
    start_relay(journal.path.parent, path)
    assert threading.active_count() == count


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_gives_the_socket_back(path: str) -> None:
    """Otherwise clients would wait for a child that never answers, once its parent has ended."""
    sockets = list(relay.listening)
    assert sockets
    child = os.fork()
    if not child:
        os._exit(sum(each.connection.fileno() != -1 for each in sockets))
    assert os.waitpid(child, 0)[1] == 0
    assert is_answered(path)


def test_a_service_that_ends_is_noticed(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        with closing(SocketSource(str(tmp_path / "socket"), "it")) as source:
            client, _ = server.accept()
            assert client.recv(len(GREETING)) == GREETING
            client.sendall(MESSAGE.pack(0, 0))
            assert list(source.read_new()) == []
            client.close()
            with pytest.raises(ServiceEndedError):
                list(source.read_new())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n",
        b"",
        b"SSH",
        MESSAGE.pack(6, 0) + b"a name",
        MESSAGE.pack(24, 1 << 31) + b"probe-1-2.345678.journal",
        None,
    ],
)
def test_what_answers_as_no_probe_is_one_line(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or does not answer at all."""
    monkeypatch.setattr("asgi_probe.top.FIRST_WITHIN_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:

        def serve() -> None:
            client = stack.enter_context(server.accept()[0])
            if answer is not None:
                client.sendall(answer)
                client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        name = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"{name}: no probe answers there") as caught:
            watch(name, print, once=False)
        thread.join(PATIENCE_S)
    assert caught.value.exit_code == 3


def test_an_answer_without_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgi_probe.top.FIRST_WITHIN_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client, suppress(OSError):
                client.sendall(MESSAGE.pack(24, 1 << 31) + b"probe-1-2.345678.journal")
                while True:
                    client.sendall(b"x")
                    sleep(0.01)

        thread = threading.Thread(target=serve)
        thread.start()
        name = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match="no probe answers"):
            watch(name, print, once=True)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_a_service_that_does_not_come_back_has_ended(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asgi_probe.top.PATIENCE_S", 0.5)
    monkeypatch.setattr("asgi_probe.top.LOOK_EVERY_S", 0.1)
    shown: list[object] = []

    def show(lines: list[str]) -> None:
        shown.append(lines)
        stop_relays()
        monkeypatch.setattr(SocketSource, "_read", end)

    def end(*_: object) -> bytes:
        raise ServiceEndedError

    with pytest.raises(UsageError, match="the service has ended, or has 4 other viewers"):
        watch(path, show, once=False)
    assert len(shown) == 1


async def answer(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


def test_a_probe_listens_only_where_it_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(relay, "start_relay", lambda *given: started.append(given))
    for listen in (None, "9464"):
        probe = Probe(answer, tmp_path, listen=listen)

        async def calls(app: Probe = probe) -> None:
            await get("/")(app)

        asyncio.run(calls())
        probe.stop()
        assert started == ([] if listen is None else [(tmp_path, ("127.0.0.1", 9464))])


def test_the_command_prints_plain_text(path: str, journal: WrittenJournal) -> None:
    for target in (path, str(journal.path), str(journal.path.parent)):
        done = run_top(target, "--once")
        assert (done.returncode, done.stderr) == (0, "")
        first, *rest = done.stdout.splitlines()
        assert first.startswith(f"asgi-probe top: {target}, ")
        assert any(line.startswith("/items") for line in rest)
        assert max(map(len, rest)) <= 80
        assert "\x1b" not in done.stdout


def test_what_the_output_cannot_have_is_replaced(journal: WrittenJournal) -> None:
    journal.add_request(2, "/größe", 1.5)
    journal.flush()
    done = run_top(str(journal.path), "--once", encoding="ascii")
    assert done.stderr == ""
    assert "/gr??e" in done.stdout


@pytest.mark.parametrize(
    ("target", "code", "line"),
    [
        ("nowhere", 2, "nowhere: no such file or folder"),
        ("127.0.0.1:1", 3, "127.0.0.1:1: cannot connect: Connection refused"),
        ("host:name", 2, "'host:name' is not an address"),
        ("{folder}/text", 2, "{folder}/text: not a journal of version 1"),
        ("{folder}/launch.json", 2, "{folder}/launch.json: not a journal of version 1"),
        ("{folder}/short", 2, "{folder}/short: not a journal of version 1"),
        ("{folder}/empty", 2, "{folder}/empty: not a journal of version 1"),
        ("{folder}/frame", 2, "{folder}/frame: not a journal of version 1"),
        (
            "{folder}",
            2,
            "{folder}: no journal; the service got no request yet, or its user may not write",
        ),
    ],
)
def test_wrong_targets_are_one_line(tmp_path: Path, target: str, code: int, line: str) -> None:
    (tmp_path / "text").write_text("not a journal at all")
    (tmp_path / "launch.json").write_text('{"launch": 1, "command": ["uvicorn"]}')
    (tmp_path / "short").write_text("{}\n")
    (tmp_path / "empty").touch()
    (tmp_path / "frame").write_bytes(FRAME.pack(b"{", 2) + b"{}")
    done = run_top(target.format(folder=tmp_path))
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"asgi-probe: {line.format(folder=tmp_path)}")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("redirection", "line"),
    [
        (">/dev/full", "cannot write: No space left on device"),
        (">&-", "cannot write: the standard output is closed"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line(
    journal: WrittenJournal, redirection: str, line: str
) -> None:
    for option in ("", "--once"):
        done = subprocess.run(
            ("sh", "-c", f'"$0" -m asgi_probe top "$1" {option} {redirection}', sys.executable,
             str(journal.path)),
            env={**os.environ, "PYTHONPATH": str(HOME)}, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (4, f"asgi-probe: {line}\n")


def watch_in_terminal(target: str, *options: str) -> tuple[int, str]:
    """Run `top` on a terminal of 80 columns until it has drawn a view, then press Ctrl-C; the exit
    code and what it wrote."""
    ours, its = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        with os.fdopen(its, "wb") as output:
            process = subprocess.Popen(
                (sys.executable, *options, "-m", "asgi_probe", "top", target),
                env={**os.environ, "PYTHONPATH": str(HOME), "TERM": "xterm", "COLUMNS": "80"},
                stdin=output, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        seen, is_pressed = b"", False
        with suppress(OSError):  # Linux: the other side has closed it
            while received := terminal.read(4096):
                seen += received
                if b"event loop" in seen and not is_pressed:
                    process.send_signal(signal.SIGINT)
                    is_pressed = True
    return process.wait(PATIENCE_S), seen.decode()


@pytest.mark.skipif(importlib.util.find_spec("rich") is None, reason="needs rich")
def test_on_a_terminal_it_takes_the_screen_and_gives_it_back(journal: WrittenJournal) -> None:
    code, seen = watch_in_terminal(str(journal.path))
    assert code == 0
    assert "\x1b[?1049h" in seen
    assert "/items" in seen
    assert seen.rstrip().endswith("\x1b[?1049l")


def test_on_a_terminal_without_rich_it_says_what_to_install(journal: WrittenJournal) -> None:
    code, seen = watch_in_terminal(str(journal.path), "-S")
    assert code == 3
    assert seen == (
        "asgi-probe: top on a terminal needs rich: pip install rich; --once does without\r\n"
    )
