"""The journals of a folder: reads them from their newest part on, as their processes write them,
and removes old ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from .clocks import time
from .errors import UsageError
from .journal import FRAME, LEAST_BYTES, VERSION
from .journal_reader import LARGEST_FRAME

JOURNALS = "probe-*.journal"
PART = re.compile(r"(probe-\d+-[\d.]+)(-\d+)?\.journal")
LAUNCH_FILE = "launch.json"
LATER_START = "[0-9]*T[0-9]*Z"
"""A folder with the time of its start, which the launcher creates in one that has journals."""
RECENT_BYTES = 4 << 20
"""Rows before the last so many bytes of a journal are skipped at first: they are minutes old."""
SILENT_S = 10.0
"""A journal is written four times per second. One that is this much older than the newest belongs
to a process that has ended."""


class JournalFiles:
    """Journals of one folder, and of its folders from later starts; or a single journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written_s = 0.0
        """When a journal was last written, in seconds since the epoch; known after `read_new`."""
        self._positions: dict[Path, int] = {}

    def read_new(self) -> Iterator[tuple[str, bytes]]:
        """Yield what each journal got since the last call, with the journal's name. A removed file
        is skipped. Raises UsageError if there is no journal, or no right to read it, and ValueError
        for another kind of file."""
        try:
            for path in self._list_recent():
                with path.open("rb") as file:
                    if path not in self._positions:
                        content = skip_old_rows(file)
                        if not content and path == self.path:  # in a folder one may just begin
                            raise ValueError(f"not a journal of version {VERSION}")
                        yield path.name, content
                    else:
                        file.seek(self._positions[path])
                        yield path.name, file.read()
                    self._positions[path] = file.tell()
        except FileNotFoundError:
            return  # a part of a journal that its process removed in this moment
        except OSError as error:
            raise UsageError(f"{error.filename}: {error.strerror}") from error

    def _list_recent(self) -> list[Path]:
        listed = [self.path]
        if self.path.is_dir():
            listed = [*self.path.glob(JOURNALS), *self.path.glob(f"*/{JOURNALS}")]
        found = [each for each in listed if each.is_file()]  # a pipe could make it wait for ever
        if not found:
            raise UsageError(
                f"{self.path}: no journal; the service got no request yet, or its user may not "
                "write to this folder"
            )
        written = {path: path.stat().st_mtime for path in found}
        self.written_s = max(written.values())
        recent = (path for path in found if written[path] >= self.written_s - SILENT_S)
        return sorted(recent, key=lambda path: (len(path.name), path.name))  # part 2 before part 10


def skip_old_rows(file: BinaryIO) -> bytes:
    """Read a journal's texts and its newest rows, and stop before a partial last frame. Raises
    ValueError for another kind of file."""
    size = file.seek(0, 2)
    at = file.seek(0)
    parts = []
    while at + FRAME.size <= size:
        head = file.read(FRAME.size)
        letter, length = FRAME.unpack(head)
        if not at and (letter != b"{" or length > LARGEST_FRAME):
            raise ValueError(f"not a journal of version {VERSION}")
        if at + FRAME.size + length > size:
            break
        at += FRAME.size + length
        if letter == b"{" or at > size - RECENT_BYTES:
            parts.append(head + file.read(length))
        file.seek(at)
    file.seek(at)
    return b"".join(parts)


def remove_ended_journals(folder: Path, most_bytes: int) -> None:
    """Remove the oldest journals of ended processes, so that those left have at most most_bytes, or
    LEAST_BYTES; in a launcher's folder, those of all starts together. A pid does not identify a
    process: a restarted container has the same one again, and that of another container is not
    visible. What was written in the last minute stays, with its earlier parts: its process may
    live."""
    left = max(most_bytes, LEAST_BYTES)
    journals: dict[tuple[Path, str], list[tuple[float, int, Path]]] = {}
    for path in (path for each in list_starts(folder) for path in each.glob(JOURNALS)):
        named = PART.fullmatch(path.name)
        with suppress(OSError):
            facts = path.stat()
            if named is not None:
                part = facts.st_mtime, facts.st_size, path
                journals.setdefault((path.parent, named[1]), []).append(part)
    ended = (parts for parts in journals.values() if max(parts)[0] < time() - 60)
    for _, size, path in sorted(chain.from_iterable(ended), reverse=True):
        left -= size
        if left < 0:
            with suppress(OSError):
                path.unlink()


def list_starts(folder: Path) -> list[Path]:
    """Return a folder, and those that the launcher created around and inside of it."""
    is_inner = is_later_start(folder) and (folder / LAUNCH_FILE).exists()
    top = folder.parent if is_inner else folder
    later = (each.parent for each in top.glob(f"{LATER_START}/{LAUNCH_FILE}"))
    return list(dict.fromkeys([top, folder, *later]))


def is_later_start(folder: Path) -> bool:
    """Return True for a folder that the launcher created inside that of an earlier start."""
    around = folder.parent
    is_launchers = (around / LAUNCH_FILE).exists() or any(around.glob(JOURNALS))
    return folder.match(LATER_START) and is_launchers


def has_starts(folder: Path) -> bool:
    """Return True for a folder of an earlier start, even if its own journals were removed."""
    return any(folder.glob("*.journal")) or any(folder.glob(f"{LATER_START}/{LAUNCH_FILE}"))
