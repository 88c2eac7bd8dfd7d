"""`python -m asgi_probe top`: shows what a running service does, from its journals."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import TextIOWrapper
from pathlib import Path
from time import localtime, monotonic, sleep, strftime
from typing import Protocol

from .addresses import Address, parse_address
from .errors import CANNOT, UsageError
from .journal_files import JournalFiles
from .live_state import ServiceState
from .relay import GREETING, MESSAGE, MOST_CLIENTS
from .top_screen import render_screen

LOOK_EVERY_S = 1.0
PATIENCE_S = 5.0
ANSWERS_WITHIN_S = 60.0
"""A thread that holds the GIL of the service delays the answer."""
MOST_COLUMNS = 80
ENDED = f"the service has ended, or has {MOST_CLIENTS} other viewers"
NEEDS_RICH = "top on a terminal needs rich: pip install 'asgi-probe[top]'; --once does without"


class ServiceEndedError(Exception):
    """The process that served the journals closed the connection, or does not answer."""


class JournalSource(Protocol):
    """Where the rows come from. `read_new` waits for its next time, but not the first time."""

    def read_new(self) -> Iterator[tuple[str, bytes]]: ...
    def describe(self) -> str: ...
    def close(self) -> None: ...


class FileSource:
    """Journals on this machine's disk."""

    def __init__(self, path: Path) -> None:
        self._files = JournalFiles(path)
        self._waits = False

    def read_new(self) -> Iterator[tuple[str, bytes]]:
        if self._waits:
            sleep(LOOK_EVERY_S)
        self._waits = True
        return self._files.read_new()

    def describe(self) -> str:
        written = strftime("%Y-%m-%d %H:%M:%S", localtime(self._files.find_written_s()))
        return f"{self._files.path}, written {written}"

    def close(self) -> None: ...


class SocketSource:
    """Journals that a process of the service sends."""

    def __init__(self, address: Address, name: str) -> None:
        self._name = name
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        if not isinstance(address, str) and ":" in address[0]:
            family = socket.AF_INET6
        with socket.socket(family) as client:
            client.settimeout(PATIENCE_S)
            try:
                client.connect(address)
                client.sendall(GREETING)
            except OSError as error:
                raise UsageError(f"{name}: cannot connect: {error.strerror or error}") from error
            client.settimeout(ANSWERS_WITHIN_S)
            self._received = client.makefile("rb")  # keeps it open

    def read_new(self) -> Iterator[tuple[str, bytes]]:
        """Yield the messages up to the next empty one. Raises ServiceEndedError."""
        while True:
            name_size, size = MESSAGE.unpack(self._read(MESSAGE.size))
            if not name_size:
                return
            yield self._read(name_size).decode(), self._read(size)

    def _read(self, size: int) -> bytes:
        try:
            found = self._received.read(size)
        except OSError as error:
            raise ServiceEndedError(f"{self._name}: {error}") from error
        if len(found) < size:
            raise ServiceEndedError(f"{self._name}: closed")
        return found

    def describe(self) -> str:
        return f"{self._name}, at {strftime('%H:%M:%S')}"

    def close(self) -> None:
        self._received.close()


def open_source(target: str) -> JournalSource:
    """target: a journal, a folder of journals, a Unix socket, or HOST:PORT. Raises UsageError."""
    path = Path(target)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if "/" in target or ":" not in target:
            raise UsageError(f"{target}: no such file or folder") from None
        return SocketSource(parse_address(target), target)
    except OSError as error:
        raise UsageError(f"{target}: {error.strerror}") from error
    if stat.S_ISSOCK(mode):
        return SocketSource(str(path.absolute()), target)
    return FileSource(path)


def reopen_source(target: str) -> JournalSource:
    """Open it again: another process of the service may take over. Raises UsageError."""
    deadline_s = monotonic() + PATIENCE_S
    while True:
        sleep(LOOK_EVERY_S)
        try:
            return open_source(target)
        except UsageError:
            if monotonic() > deadline_s:
                raise UsageError(f"{target}: {ENDED}", CANNOT) from None


def show_top(target: str, *, once: bool) -> None:
    """Show the service until Ctrl-C, or once. Raises UsageError."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a route may have any character
    try:
        if once or not sys.stdout.isatty():
            watch(target, lambda lines: print(*lines, "", sep="\n", flush=True), once)
            return
        with open_screen() as show:
            watch(target, show, once)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # as of `| head`; nothing more can be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


DAMAGED = (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, struct.error)
"""What damaged rows and texts of a journal raise."""


def watch(target: str, show: Callable[[list[str]], object], once: bool) -> None:
    """Raises UsageError."""
    begin = open_source
    while True:
        with closing(begin(target)) as source:
            try:
                show_source(source, show, once)
                return
            except ServiceEndedError:
                begin = reopen_source
            except ValueError as error:
                raise UsageError(f"{target}: {error}") from error
            except DAMAGED as error:
                raise UsageError(f"{target}: a journal is damaged ({error!r})") from error


def show_source(source: JournalSource, show: Callable[[list[str]], object], once: bool) -> None:
    """Raises ServiceEndedError, ValueError for what is no journal."""
    state, is_over = ServiceState(), False
    while not is_over:
        state.read(source.read_new())
        columns = min(MOST_COLUMNS, shutil.get_terminal_size().columns)
        show(render_screen(state, f"asgi-probe top: {source.describe()}", columns))
        is_over = once


@contextmanager
def open_screen() -> Iterator[Callable[[list[str]], object]]:
    """Take the terminal, and give it back at the end. Raises UsageError without rich."""
    try:
        from rich.live import Live
        from rich.text import Text
    except ImportError:
        raise UsageError(NEEDS_RICH, CANNOT) from None

    def show(lines: list[str]) -> None:
        text = Text(no_wrap=True, overflow="crop")
        for before, line in zip(("", *lines), lines):
            is_title = not before and line is not lines[-1]
            text.append(f"{line}\n", "bold" if is_title else "")
        live.update(text, refresh=True)

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # leaves the `with`
    with Live(screen=True, auto_refresh=False) as live:
        yield show
