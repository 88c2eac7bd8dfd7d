"""Serves the journals of a service to `asgi_probe top`, on a socket that the user asked for.

All processes of a service write to one folder, so one of them serves them all: the first that gets
the address. The others try again every second, and one of them replaces it when it ends.
At a path only the socket of a process that has ended is replaced, and no other file. The socket's
file is removed at an orderly end.

A client sends GREETING. It gets the recent part of each journal and an empty message, then every
LOOK_EVERY_S what is new and an empty message. A message is the lengths of a name and of its
content (MESSAGE), and both. A client too many gets the name FULL.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from errno import EADDRINUSE, EAGAIN, ECONNREFUSED, EEXIST
from pathlib import Path
from time import sleep

from .addresses import Address
from .errors import UsageError
from .journal_files import JournalFiles
from .own_descriptor import OwnSocket
from .probe_thread import ProbeThread

log = logging.getLogger("probe")
GREETING = b"asgi-probe 1\n"
"""Keeps out browsers: their first line is another one."""
MESSAGE = struct.Struct("<II")
FULL = b"full"
LONGEST_NAME = 255
"""Bytes. Another protocol's text gives a larger number."""
LOOK_EVERY_S = 0.5
RETRY_S = 1.0
PATIENCE_S = 5.0
MOST_CLIENTS = 4
started: dict[tuple[int, Address], threading.Event] = {}
"""By (pid, address), what ends it: several probes of one process need one relay, and a forked child
its own."""
listening: dict[OwnSocket, tuple[str, int]] = {}
"""Path and inode of each socket's file; "" and 0 for a port."""


def start_relay(directory: Path, address: Address) -> None:
    """Serve the journals of `directory` on a thread until `stop_relays`."""
    key = os.getpid(), address
    if key not in started:
        stop = started[key] = threading.Event()
        run = ProbeThread(
            target=run_relay, args=(directory, address, stop), name="probe relay", daemon=True
        )
        run.start()


def run_relay(directory: Path, address: Address, stop: threading.Event) -> None:
    is_known = False
    while not stop.is_set():
        try:
            with listen(address) as server:
                accept_clients(server, directory)
        except OSError as error:
            if not (is_known or stop.is_set()):
                is_known = True
                if error.errno != EADDRINUSE or not is_relay(address):
                    log.warning("the probe does not serve its journals at %s: %s", address, error)
        stop.wait(RETRY_S)


def stop_relays() -> None:
    """Take no new clients. A later `start_relay` does again."""
    for stop in started.values():
        stop.set()
    started.clear()
    for server in list(listening):
        close_server(server)


@contextmanager
def listen(address: Address) -> Iterator[OwnSocket]:
    """Raises OSError, as for an address at which another process listens."""
    file = "", 0
    if isinstance(address, str):
        server = OwnSocket(listen_at_path(address))
        file = address, os.lstat(address).st_ino
    else:
        server = OwnSocket(socket.create_server(address, family=find_family(address)))
    listening[server] = file
    try:
        yield server
    finally:
        close_server(server)


def close_server(server: OwnSocket) -> None:
    """Close a socket, and remove its file unless another process has replaced it."""
    path, inode = listening.pop(server, ("", 0))
    with suppress(OSError):
        if path and os.lstat(path).st_ino == inode:
            Path(path).unlink()
    with suppress(OSError):
        server.check()
        server.connection.shutdown(socket.SHUT_RDWR)  # ends the thread's `accept`
    server.close()


def listen_at_path(path: str) -> socket.socket:
    """Listen on a socket that only this user can open. One whose process has ended is replaced."""
    unready = Path(f"{path}.{os.getpid()}")
    check_free(path)
    check_free(str(unready))
    server = socket.socket(socket.AF_UNIX)
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


def check_free(path: str) -> None:
    """Raises OSError unless nothing is there, or a socket at which no process listens."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):  # Linux refuses a connection to any other file too
        raise FileExistsError(EEXIST, "another file is there, and it is no socket")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        code = client.connect_ex(path)
    if code in (0, EAGAIN):  # EAGAIN: it has too many clients
        raise OSError(EADDRINUSE, "another process listens there")
    if code != ECONNREFUSED:
        raise OSError(code, f"another process's socket is there: {os.strerror(code)}")


def is_relay(address: Address) -> bool:
    """Return True if another process of the service serves the journals there."""
    try:
        with connect(address) as client:
            name_size, _ = MESSAGE.unpack(client.recv(MESSAGE.size))
    except (OSError, struct.error):
        return False
    return bool(name_size <= LONGEST_NAME)


def connect(address: Address) -> socket.socket:
    """Connect and send GREETING. Raises OSError."""
    family = socket.AF_UNIX if isinstance(address, str) else find_family(address)
    client = socket.socket(family)
    client.settimeout(PATIENCE_S)
    try:
        client.connect(address)
        client.sendall(GREETING)
    except OSError:
        client.close()
        raise
    return client


def find_family(address: tuple[str, int]) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def accept_clients(server: OwnSocket, directory: Path) -> None:
    """Some more than the viewers may connect: others may come by mistake, and are slow to go."""
    clients = threading.BoundedSemaphore(2 * MOST_CLIENTS)
    viewers = threading.BoundedSemaphore(MOST_CLIENTS)
    while server.is_own():
        client = OwnSocket(server.connection.accept()[0])
        if not clients.acquire(blocking=False):
            client.close()
            continue
        given = client, directory, clients, viewers
        ProbeThread(target=serve_client, args=given, name="probe relay", daemon=True).start()


def serve_client(
    client: OwnSocket,
    directory: Path,
    clients: threading.BoundedSemaphore,
    viewers: threading.BoundedSemaphore,
) -> None:
    try:
        with closing(client):
            client.connection.settimeout(PATIENCE_S)
            with client.connection.makefile("rb") as received:
                is_ours = received.read(len(GREETING)) == GREETING
            if is_ours and viewers.acquire(blocking=False):
                try:
                    send_journals(client, directory)
                finally:
                    viewers.release()
            elif is_ours:
                client.send(MESSAGE.pack(len(FULL), 0) + FULL)
    except (OSError, UsageError):  # the client is gone, or the folder is
        pass
    except Exception as error:  # the app must not be affected
        log.error("the probe cannot serve its journals: %r", error, exc_info=error)
    finally:
        clients.release()


def send_journals(client: OwnSocket, directory: Path) -> None:
    files = JournalFiles(directory)
    while True:
        for name, content in files.read_new():
            if content:
                label = name.encode()
                client.send(MESSAGE.pack(len(label), len(content)) + label + content)
        client.send(MESSAGE.pack(0, 0))
        sleep(LOOK_EVERY_S)


def close_inherited() -> None:
    """A forked child that keeps the socket open would take clients and never answer them."""
    while listening:
        listening.popitem()[0].close()


atexit.register(stop_relays)
os.register_at_fork(after_in_child=close_inherited)
