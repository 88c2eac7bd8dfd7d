"""The journal of a process: flushed often, readable after SIGKILL.

A journal is a sequence of frames: the table's letter, the payload's length as a little-endian u32,
and the payload. Table `{` holds JSON: first the header, which describes the columns of all other
tables, then new entries of the string table. Every other table holds packed rows. A killed process
may leave a partial last frame, which the reader (folder `records`) drops.

A journal with a limit is several files, its parts. Each part has a header with its number and the
string table, so that it can be read without the earlier parts, which are removed.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from math import inf
from pathlib import Path

from .encode_json import encode_json
from .own_descriptor import OwnFile

VERSION, FRAME = 1, struct.Struct("<cI")
log = logging.getLogger("probe")
MOST_STRINGS, MOST_STRING_BYTES = 10_000, 32 << 20
"""Distinct texts per process, and their total size; later ones become "(more)"."""
NAME, STACK, CLIENT = "name", "stack", "client"
SHARES = {NAME: 0.3, STACK: 0.6, CLIENT: 0.1}
"""Each kind of text has a part of both limits for itself: a client that asks for thousands of paths
takes no room from the app's own texts, and stacks take none from routes."""
MOST_QUEUED = 20_000
"""Rows per table that wait for the disk; later ones are counted and dropped. At 5,000 requests per
second the disk may pause for 4 s."""
PARTS = 4
"""Parts of a journal with a limit. A part is full at a quarter of the limit."""
MARKS_BYTES = 100
"""Room in a part for what is written when the journal is closed and opened again."""
LEAST_BYTES = 1 << 20
"""Smallest limit of a journal."""
MORE = "(more)"
APPENDED = os.O_WRONLY | os.O_APPEND

Columns = tuple[tuple[str, str], ...]
"""Name and numpy type code of each column; type "text" is a u4 index into the string table."""

CODES = {"f8": "d", "u8": "Q", "u4": "I", "i4": "i", "u2": "H", "text": "I"}


def make_packer(columns: Columns) -> Callable[..., bytes]:
    """Return the function that packs one row, with its values in the order of the columns."""
    return struct.Struct("<" + "".join(CODES[kind] for _, kind in columns)).pack


class ProbeJournal:
    """One journal. Any thread may add packed rows; only one thread may call the other methods.

    most_bytes: limit of all its files together, at least LEAST_BYTES; None means no limit.
    """

    def __init__(
        self,
        path: Path,
        tables: Mapping[str, Columns],
        about: Mapping[str, int],
        most_bytes: int | None = None,
    ) -> None:
        self._path = path
        self._header = {"journal": VERSION, "tables": tables, **about}
        limit = inf if most_bytes is None else max(most_bytes, LEAST_BYTES)
        self._part_bytes = limit / PARTS - MARKS_BYTES
        # the strings may fill half a part, and a chunk of each table less than the other half
        size = min(MOST_STRING_BYTES, limit / PARTS / 2)
        self._string_rooms = {
            kind: (int(share * MOST_STRINGS), share * size) for kind, share in SHARES.items()
        }
        self._chunk_bytes = min(1 << 20, limit / PARTS / 4 / len(tables))
        self._strings: dict[str | None, int] = {None: 0}
        self._new_strings: dict[str, str] = {}
        self._numbers = count(1)
        self._interning = threading.RLock()
        """Re-entrant: what the garbage collector or a signal runs meanwhile may have a new text."""
        self._rows: dict[str, deque[bytes]] = {letter: deque() for letter in tables}
        self.dropped = self._dropped_before = 0
        """Rows that were not written because their queue was full."""
        self._torn = False
        self._parts: deque[Path] = deque()
        self._number = 0
        self._open_part()

    def _open_part(self) -> None:
        self._number += 1
        name = self._path.stem + (f"-{self._number}" if self._number > 1 else "")
        part = self._path.with_name(name + self._path.suffix)
        while len(self._parts) >= PARTS:
            with suppress(OSError):
                self._parts.popleft().unlink()
        self._file = OwnFile(os.open(part, APPENDED | os.O_CREAT, 0o666))
        self._parts.append(part)
        self._size = 0
        with self._interning:
            self._new_strings = {}
            strings = self._strings.copy()
        known = {str(index): text for text, index in strings.items() if text is not None}
        self._write(encode_json_frame({**self._header, "part": self._number}))
        if known:
            self._write(encode_json_frame({"strings": known}))

    def reopen(self) -> bool:
        """Continue a closed journal; return False if its file is gone or torn."""
        if self._torn:
            return False
        try:
            self._file = OwnFile(os.open(self._parts[-1], APPENDED))
        except OSError:
            return False
        self._write(encode_json_frame({"closed": 0}))
        return True

    def intern_text(self, value: str | None, kind: str = NAME) -> int:
        """Return a text's index in the string table; 0 stands for None. kind: NAME for what the app
        names, STACK, or CLIENT for what a client can choose."""
        index = self._strings.get(value)
        return self._intern(value or "", kind) if index is None else index

    def _intern(self, value: str, kind: str) -> int:
        size = len(encode_json({str(MOST_STRINGS): value}))
        with self._interning:
            left, room = self._string_rooms[kind]
            if value not in self._strings:
                if left and size <= room:
                    self._string_rooms[kind] = left - 1, room - size
                else:
                    value = MORE
            if value not in self._strings:
                index = self._strings[value] = next(self._numbers)
                self._new_strings[str(index)] = value
            return self._strings[value]

    def add(self, table: str, row: bytes) -> None:
        rows = self._rows[table]
        if len(rows) < MOST_QUEUED:
            rows.append(row)
        else:
            self.dropped += 1

    def flush(self) -> None:
        """Write the rows that are queued now. Raises OSError, as on a full disk."""
        left = {letter: len(rows) for letter, rows in self._rows.items()}
        while any(left.values()) or self._new_strings:
            self._write_chunk(left)
        if self.dropped > self._dropped_before:
            if not self._dropped_before:
                log.warning("the probe drops rows: the disk is slow, or the process too busy")
            self._dropped_before = self.dropped
            self._write(encode_json_frame({"dropped": self.dropped}))

    def _write_chunk(self, left: dict[str, int]) -> None:
        """Write some rows of each table. Rows are collected before the strings and written after
        them, so that every row's strings are already in the file. left: rows to write by table."""
        content = b""
        for letter, rows in self._rows.items():
            if not left[letter]:
                continue
            # never replace the queue: another thread may be about to append to it
            taken = min(left[letter], int(self._chunk_bytes // len(rows[0])) + 1)
            left[letter] -= taken
            payload = b"".join([rows.popleft() for _ in range(taken)])
            content += FRAME.pack(letter.encode(), len(payload)) + payload
        with self._interning:
            strings, self._new_strings = self._new_strings, {}
        if strings:
            content = encode_json_frame({"strings": strings}) + content
        if self._size + len(content) > self._part_bytes or self._file.is_removed():
            self._file.close()
            self._open_part()  # again writes the strings
        self._write(content)

    def _write(self, content: bytes) -> None:
        """Write nothing more after a partial write (full disk): later frames would be misread.
        Raises OSError."""
        if self._torn:
            return
        self._torn = True
        self._size += len(content)
        while content:
            content = content[self._file.write(content) :]
        self._torn = False

    def close(self, *, in_order: bool = True) -> None:
        """in_order: the probe has not failed. The file then says that no row is missing at its end:
        without this mark, its process was killed or its probe stopped."""
        try:
            self.flush()
            if in_order:
                self._write(encode_json_frame({"closed": 1}))
        finally:
            self._file.close()


class NoJournal(ProbeJournal):
    """Drops all rows: the journal of probes that only feed metrics."""

    def __init__(self) -> None:
        """Open no file."""

    def reopen(self) -> bool:
        return True

    def intern_text(self, value: str | None, kind: str = NAME) -> int:  # noqa: ARG002
        return 0

    def add(self, table: str, row: bytes) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self, *, in_order: bool = True) -> None:
        pass


def encode_json_frame(content: Mapping[str, object]) -> bytes:
    payload = encode_json(content)
    return FRAME.pack(b"{", len(payload)) + payload
