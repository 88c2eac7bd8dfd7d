"""A server that answers as no server should: one behaviour for each connection that it takes."""

import gzip
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic

MEBIBYTE = bytes(1 << 20)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
DRIP_S = 0.05
LASTS_S = 120.0
"""No connection lasts longer, whatever the other side does."""


class Connection:
    def __init__(self, peer: socket.socket, stop: Event) -> None:
        self._peer, self._stop = peer, stop
        self._ends_s = monotonic() + LASTS_S

    def is_wanted(self) -> bool:
        return not self._stop.is_set() and monotonic() < self._ends_s

    def read_request(self) -> bool:
        """False where the other side has closed."""
        got = b""
        while b"\r\n\r\n" not in got and (part := self._peer.recv(65_536)):
            got += part
        return bool(got)

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self._peer.sendall(part)

    def repeat(self, part: bytes, pause_s: float = 0.0) -> None:
        while self.is_wanted():
            self.send(part)
            self._stop.wait(pause_s)

    def wait(self) -> None:
        while self.is_wanted():
            self._stop.wait(DRIP_S)


def declare(length: int | str) -> bytes:
    return f"Content-Length: {length}\r\n\r\n".encode()


BEHAVIOURS: Mapping[str, Callable[[Connection], None]] = {
    "endless chunks": lambda to: (
        to.send(OK, CHUNKED), to.repeat(b"100000\r\n" + MEBIBYTE + b"\r\n"),
    )[-1],
    "endless drip": lambda to: (to.send(OK, CHUNKED), to.repeat(b"1\r\n.\r\n", DRIP_S))[-1],
    "event stream": lambda to: (
        to.send(OK, b"Content-Type: text/event-stream\r\n\r\n"), to.repeat(b"data: 1\n\n", DRIP_S),
    )[-1],
    "huge content-length": lambda to: (to.send(OK, declare(10**15)), to.repeat(MEBIBYTE))[-1],
    "body that ends early": lambda to: to.send(OK, declare(1000), b"short"),
    "silence": lambda to: to.wait(),
    "immediate close": lambda _: None,
    "garbage": lambda to: to.send(bytes(range(256)) * 16),
    "no status": lambda to: to.send(b"HTTP/1.1 OK\r\n", declare(0)),
    "absurd status": lambda to: to.send(b"HTTP/1.1 99999 No\r\n", declare(0)),
    "endless headers": lambda to: (to.send(OK), to.repeat(b"x-more: " + bytes(99).hex().encode()
                                                          + b"\r\n"))[-1],
    "slow headers": lambda to: (to.send(OK), to.repeat(b"x: y\r\n", DRIP_S))[-1],
    "negative content-length": lambda to: to.send(OK, declare(-5), b"body"),
    "content-length of words": lambda to: to.send(OK, declare("many"), b"body"),
    "invalid chunk": lambda to: to.send(OK, CHUNKED, b"zz\r\nbody\r\n"),
    "compressed bomb": lambda to: to.send(
        OK, b"Content-Encoding: gzip\r\n", declare(len(BOMB)), BOMB
    ),
    "false compression": lambda to: to.send(OK, b"Content-Encoding: gzip\r\n", declare(4), b"body"),
    "redirect to itself": lambda to: to.send(
        b"HTTP/1.1 302 Found\r\nLocation: /\r\n", declare(0)
    ),
    "escape sequences": lambda to: to.send(
        b"HTTP/1.1 500 \x1b]0;owned\x07\x1b[2J\r\n", declare(len(ESCAPES)), ESCAPES
    ),
    "long failure": lambda to: to.send(b"HTTP/1.1 500 No\r\n", declare(len(MEBIBYTE)), MEBIBYTE),
}  # fmt: skip
BOMB = gzip.compress(bytes(200 << 20), 9)
ESCAPES = "\x1b[31m\x9b2J\u202eevil\x00".encode()


@contextmanager
def serve(behaviour: str) -> Iterator[int]:
    """Yield the port, on loopback."""
    stop = Event()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        listener.settimeout(DRIP_S)
        thread = Thread(target=take_connections, args=(listener, behaviour, stop), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def take_connections(listener: socket.socket, behaviour: str, stop: Event) -> None:
    while not stop.is_set():
        with suppress(TimeoutError):
            peer, _ = listener.accept()
            Thread(target=answer, args=(peer, behaviour, stop), daemon=True).start()


def answer(peer: socket.socket, behaviour: str, stop: Event) -> None:
    with peer, suppress(OSError):
        peer.settimeout(LASTS_S)
        connection = Connection(peer, stop)
        if connection.read_request():
            BEHAVIOURS[behaviour](connection)
