"""Serves the journals of a service to `asgi_probe top`, on a socket that the user asked for.

All processes of a service write to one folder, so one of them serves them all: the first that gets
the address. The others try again every second, and one of them replaces it when it ends.

A client sends GREETING. It gets the recent part of each journal and an empty message, then every
LOOK_EVERY_S what is new and an empty message. A message is the lengths of a name and of its
content (MESSAGE), and both.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EADDRINUSE
from pathlib import Path
from time import sleep

from .addresses import Address
from .errors import UsageError
from .journal_files import JournalFiles

log = logging.getLogger("probe")
GREETING = b"asgi-probe 1\n"
"""Keeps out browsers: their first line is another one."""
MESSAGE = struct.Struct("<II")
LOOK_EVERY_S = 0.5
RETRY_S = 1.0
PATIENCE_S = 5.0
MOST_CLIENTS = 4
started: set[tuple[int, Address]] = set()
"""(pid, address): several probes of one process need one relay, and a forked child its own."""
listening: list[socket.socket] = []


def start_relay(directory: Path, address: Address) -> None:
    """Serve the journals of `directory` on a thread until the process ends."""
    key = os.getpid(), address
    if key not in started:
        started.add(key)
        run = threading.Thread(
            target=run_relay, args=(directory, address), name="probe relay", daemon=True
        )
        run.start()


def run_relay(directory: Path, address: Address) -> None:
    while True:
        try:
            with listen(address) as server:
                accept_clients(server, directory)
        except OSError as error:
            log.debug("the probe does not serve its journals: %s", error)
        sleep(RETRY_S)


@contextmanager
def listen(address: Address) -> Iterator[socket.socket]:
    """Raises OSError, as for an address at which another process listens."""
    if isinstance(address, str):
        server = listen_at_path(address)
    else:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        server = socket.create_server(address, family=family)
    listening.append(server)
    try:
        yield server
    finally:
        listening.remove(server)
        server.close()


def listen_at_path(path: str) -> socket.socket:
    """Listen on a socket that only this user can open. One whose process has ended is replaced."""
    if is_answered(path):
        raise OSError(EADDRINUSE, "another process listens there")
    server, unready = socket.socket(socket.AF_UNIX), Path(f"{path}.{os.getpid()}")
    try:
        with suppress(FileNotFoundError):
            unready.unlink()
        server.bind(str(unready))
        unready.chmod(0o600)
        server.listen()
        unready.replace(path)
    except OSError:
        server.close()
        raise
    return server


def is_answered(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        return client.connect_ex(path) == 0


def accept_clients(server: socket.socket, directory: Path) -> None:
    clients = threading.BoundedSemaphore(MOST_CLIENTS)
    while True:
        client, _ = server.accept()
        if not clients.acquire(blocking=False):
            client.close()
            continue
        serve = threading.Thread(
            target=serve_client, args=(client, directory, clients), name="probe relay", daemon=True
        )
        serve.start()


def serve_client(
    client: socket.socket, directory: Path, clients: threading.BoundedSemaphore
) -> None:
    try:
        with client:
            client.settimeout(PATIENCE_S)
            with client.makefile("rb") as received:
                is_ours = received.read(len(GREETING)) == GREETING
            if is_ours:
                send_journals(client, directory)
    except (OSError, UsageError):  # the client is gone, or the folder is
        pass
    except Exception as error:  # the app must not be affected
        log.error("the probe cannot serve its journals: %r", error, exc_info=error)
    finally:
        clients.release()


def send_journals(client: socket.socket, directory: Path) -> None:
    files = JournalFiles(directory)
    while True:
        for name, content in files.read_new():
            if content:
                label = name.encode()
                client.sendall(MESSAGE.pack(len(label), len(content)) + label + content)
        client.sendall(MESSAGE.pack(0, 0))
        sleep(LOOK_EVERY_S)


def close_inherited() -> None:
    """A forked child that keeps the socket open would take clients and never answer them."""
    while listening:
        listening.pop().close()


os.register_at_fork(after_in_child=close_inherited)
