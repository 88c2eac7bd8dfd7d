"""A server that answers as no server should: one behaviour for each connection that it takes."""

import gzip
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic

MEBIBYTE = bytes(1 << 20)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
DRIP_S = 0.05
LASTS_S = 120.0
"""No connection lasts longer, whatever the other side does."""


def declare(length: int | str) -> bytes:
    return f"Content-Length: {length}\r\n\r\n".encode()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """first: what it sends at once; then `again`, with so long a pause each time. holds: it says
    nothing, and keeps the connection."""

    first: bytes = b""
    again: bytes = b""
    pause_s: float = 0.0
    holds: bool = False
    after: int = 0
    """So many requests are answered well before."""


BOMB = gzip.compress(bytes(200 << 20), 9)
ESCAPES = "\x1b[31m\x9b2J\u202eevil\x00".encode()
GZIP = b"Content-Encoding: gzip\r\n"
BEHAVIOURS: Mapping[str, Behaviour] = {
    "endless chunks": Behaviour(OK + CHUNKED, b"100000\r\n" + MEBIBYTE + b"\r\n"),
    "endless drip": Behaviour(OK + CHUNKED, b"1\r\n.\r\n", DRIP_S),
    "event stream": Behaviour(
        OK + b"Content-Type: text/event-stream\r\n\r\n", b"data: 1\n\n", DRIP_S
    ),
    "huge content-length": Behaviour(OK + declare(10**15), MEBIBYTE),
    "body that ends early": Behaviour(OK + declare(1000) + b"short"),
    "silence": Behaviour(holds=True),
    "later without end": Behaviour(OK + CHUNKED, b"100000\r\n" + MEBIBYTE + b"\r\n", after=20),
    "immediate close": Behaviour(),
    "garbage": Behaviour(bytes(range(256)) * 16),
    "no status": Behaviour(b"HTTP/1.1 OK\r\n" + declare(0)),
    "absurd status": Behaviour(b"HTTP/1.1 99999 No\r\n" + declare(0)),
    "endless headers": Behaviour(OK, b"x-more: " + b"y" * 99 + b"\r\n"),
    "slow headers": Behaviour(OK, b"x: y\r\n", DRIP_S),
    "negative content-length": Behaviour(OK + declare(-5) + b"body"),
    "content-length of words": Behaviour(OK + declare("many") + b"body"),
    "invalid chunk": Behaviour(OK + CHUNKED + b"zz\r\nbody\r\n"),
    "compressed bomb": Behaviour(OK + GZIP + declare(len(BOMB)) + BOMB),
    "false compression": Behaviour(OK + GZIP + declare(4) + b"body"),
    "redirect to itself": Behaviour(b"HTTP/1.1 302 Found\r\nLocation: /\r\n" + declare(0)),
    "escape sequences": Behaviour(
        b"HTTP/1.1 500 \x1b]0;owned\x07\x1b[2J\r\n" + declare(len(ESCAPES)) + ESCAPES
    ),
    "long failure": Behaviour(b"HTTP/1.1 500 No\r\n" + declare(len(MEBIBYTE)) + MEBIBYTE),
}


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
    what, ends_s = BEHAVIOURS[behaviour], monotonic() + LASTS_S
    with peer, suppress(OSError):
        peer.settimeout(LASTS_S)
        for _ in range(what.after):
            if not read_request(peer):
                return
            peer.sendall(OK + declare(2) + b"ok")
        if not read_request(peer):
            return
        peer.sendall(what.first)
        while (what.again or what.holds) and not stop.is_set() and monotonic() < ends_s:
            peer.sendall(what.again)
            stop.wait(DRIP_S if what.holds else what.pause_s)


def read_request(peer: socket.socket) -> bool:
    """False where the other side has closed."""
    got = b""
    while b"\r\n\r\n" not in got and (part := peer.recv(65_536)):
        got += part
    return bool(got)
