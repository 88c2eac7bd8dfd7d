"""`python -m asgi_probe top`: shows what a running service does, from its journals."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from time import localtime, sleep, strftime
from typing import Protocol

from .addresses import Address, parse_address
from .clocks import monotonic
from .errors import BROKEN, CANNOT, UsageError
from .journal_files import JournalFiles
from .live_state import PART, ServiceState
from .relay import FULL, LONGEST_NAME, MESSAGE, MOST_CLIENTS, connect
from .top_screen import render_screen

LOOK_EVERY_S = 1.0
PATIENCE_S = 5.0
FIRST_WITHIN_S, NEXT_WITHIN_S = 15.0, 60.0
"""A thread that holds the GIL of the service delays the answer."""
MOST_COLUMNS = 80
OTHERS = f"{MOST_CLIENTS} other viewers"
ENDED = f"the service has ended, or has {OTHERS}"
NEEDS_RICH = "top on a terminal needs rich: pip install rich; --once does without"


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
        written = strftime("%Y-%m-%d %H:%M:%S", localtime(self._files.written_s))
        return f"{self._files.path}, written {written}"

    def close(self) -> None: ...


class SocketSource:
    """Journals that a process of the service sends."""

    def __init__(self, address: Address, name: str) -> None:
        self._name = name
        self._has_answered = False
        try:
            self._client = connect(address)
        except OSError as error:
            raise UsageError(
                f"{name}: cannot connect: {error.strerror or error}", CANNOT
            ) from error

    def read_new(self) -> Iterator[tuple[str, bytes]]:
        """Yield the messages up to the next empty one. Raises ServiceEndedError, and UsageError if
        what answers is no probe, or has enough viewers."""
        until_s = monotonic() + (NEXT_WITHIN_S if self._has_answered else FIRST_WITHIN_S)
        while True:
            name_size, size = MESSAGE.unpack(self._read(MESSAGE.size, until_s))
            if not name_size:
                self._has_answered = True
                return
            if name_size > LONGEST_NAME:
                raise self._refuse()
            name = self._read(name_size, until_s).decode(errors="replace")
            if name == FULL.decode():
                raise UsageError(f"{self._name}: it has {OTHERS}", CANNOT)
            if not PART.fullmatch(name):
                raise self._refuse()
            yield name, self._read(size, until_s)

    def _read(self, size: int, until_s: float) -> bytes:
        found = bytearray()
        while len(found) < size:
            piece, left_s = b"", until_s - monotonic()
            with suppress(OSError):
                if left_s > 0:
                    self._client.settimeout(left_s)
                    piece = self._client.recv(min(size - len(found), 1 << 20))
            if not piece:
                raise ServiceEndedError if self._has_answered else self._refuse()
            found += piece
        return bytes(found)

    def _refuse(self) -> UsageError:
        return UsageError(f"{self._name}: no probe answers there", CANNOT)

    def describe(self) -> str:
        return f"{self._name}, at {strftime('%H:%M:%S')}"

    def close(self) -> None:
        self._client.close()


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


def show_top(target: str, *, once: bool) -> None:
    """Show the service until Ctrl-C, or once. Raises UsageError."""
    if sys.stdout is None:  # as after `>&-`
        raise UsageError("cannot write: the standard output is closed", BROKEN)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a route may have any character
    try:
        if once or not sys.stdout.isatty():
            watch(target, print_lines, once)
            return
        with open_screen() as show:
            watch(target, show, once)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # as of `| head`
        pass


def print_lines(lines: list[str]) -> None:
    """Raises BrokenPipeError, and UsageError for another error."""
    try:
        print(*lines, "", sep="\n", flush=True)
    except OSError as error:
        # what is left would be an error again at the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise UsageError(f"cannot write: {error.strerror}", BROKEN) from error


DAMAGED = (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, struct.error)
"""What damaged rows and texts of a journal raise."""


def watch(target: str, show: Callable[[list[str]], object], once: bool) -> None:
    """If the process that answers ends, another one of the service may take over. Raises
    UsageError."""
    until_s = 0.0
    while True:
        try:
            with closing(open_source(target)) as source:
                show_source(source, show, once)
                return
        except ServiceEndedError:
            until_s = monotonic() + PATIENCE_S
        except UsageError as error:
            if not until_s or error.exit_code == BROKEN:
                raise
            if monotonic() > until_s:
                raise UsageError(f"{target}: {ENDED}", CANNOT) from None
        except ValueError as error:
            raise UsageError(f"{target}: {error}") from error
        except DAMAGED as error:
            raise UsageError(f"{target}: a journal is damaged ({error!r})") from error
        sleep(LOOK_EVERY_S)


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
