"""Request a route as its label says: a GET, or a WebSocket that sends one text. Standard library
only, so that every detector gets the same client."""

import base64
import contextlib
import http.client
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from stress.plan import HOST
from tests.corpus.labels import Asking

TIMEOUT_S = 15.0
MASK = b"\0\0\0\0"
TEXT, CLOSE = 0x81, 0x88


def ask(port: int, asking: Asking) -> int:
    """Return the status; 101 for a WebSocket. Raises OSError and http.client.HTTPException."""
    return (ask_socket if asking.method == "WS" else ask_http)(port, asking)


def ask_http(port: int, asking: Asking) -> int:
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    try:
        connection.request(asking.method, asking.target, headers={"connection": "close"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def ask_socket(port: int, asking: Asking) -> int:
    """Open, send a text, read one frame, close. RFC 6455; a mask of zeros is legal."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        f"GET {asking.target} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection((HOST, port), TIMEOUT_S) as connection:
        connection.sendall(head.encode())
        with connection.makefile("rb") as answer:
            status = int(answer.readline().split()[1])
            while answer.readline().strip():
                pass
            if status == 101:
                connection.sendall(bytes((TEXT, 0x80 | 2)) + MASK + b"hi")
                if len(head_of_frame := answer.read(2)) < 2:
                    raise ConnectionError(f"{asking.target}: closed without an answer")
                answer.read(head_of_frame[1] & 0x7F)
                with contextlib.suppress(ConnectionError):  # the server may close it first
                    connection.sendall(bytes((CLOSE, 0x80 | 2)) + MASK + b"\x03\xe8")
                    answer.read()
        return status


def ask_for(port: int, asking: Asking, users: int, seconds: float) -> int:
    """A closed loop without think time; every user sends at least one request. Returns the
    responses: a detector that raises in the app may leave some requests without one."""
    until_s = monotonic() + seconds

    def repeat(_: int) -> int:
        answers = sends = 0
        while not sends or monotonic() < until_s:
            sends += 1
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask(port, asking)
                answers += 1
        return answers

    with ThreadPoolExecutor(users) as pool:
        return sum(pool.map(repeat, range(users)))
