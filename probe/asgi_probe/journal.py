"""The journal of a process: flushed often, readable after SIGKILL.

A journal is a sequence of frames: the table's letter, the payload's length as a little-endian u32,
and the payload. Table `{` holds JSON: first the header, which describes the columns of all other
tables, then new entries of the string table. Every other table holds packed rows. A killed process
may leave a partial last frame, which the reader (folder `records`) drops.
"""

from __future__ import annotations

import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from json import dumps  # a name of its own: a test of the app may patch json.dumps
from pathlib import Path

VERSION = 1
FRAME = struct.Struct("<cI")
MOST_STRINGS = 10_000
"""Distinct texts per process; later ones become "(more)", such as paths that contain ids."""
MORE = "(more)"

Columns = tuple[tuple[str, str], ...]
"""Name and numpy type code of each column; type "text" is a u4 index into the string table."""

CODES = {"f8": "d", "u8": "Q", "u4": "I", "i4": "i", "u2": "H", "text": "I"}


def make_packer(columns: Columns) -> Callable[..., bytes]:
    """Return the function that packs one row, with its values in the order of the columns."""
    return struct.Struct("<" + "".join(CODES[kind] for _, kind in columns)).pack


class ProbeJournal:
    """One journal file. Any thread may add packed rows; only one thread may call `flush`."""

    def __init__(self, path: Path, tables: Mapping[str, Columns], about: Mapping[str, int]) -> None:
        self._strings: dict[str | None, int] = {None: 0}
        self._new_strings: dict[str, str] = {}
        self._interning = threading.Lock()
        self._rows: dict[str, deque[bytes]] = {letter: deque() for letter in tables}
        self._torn = False
        self._file = path.open("ab", buffering=0)
        self._file.write(encode_json_frame({"journal": VERSION, "tables": tables, **about}))

    def intern_text(self, value: str | None) -> int:
        """Return a text's index in the string table; 0 stands for None."""
        index = self._strings.get(value)
        return self._intern(value or "") if index is None else index

    def _intern(self, value: str) -> int:
        with self._interning:
            if len(self._strings) > MOST_STRINGS:
                value = MORE
            if value not in self._strings:
                index = self._strings[value] = len(self._strings)
                self._new_strings[str(index)] = value
            return self._strings[value]

    def add(self, table: str, row: bytes) -> None:
        self._rows[table].append(row)

    def flush(self) -> None:
        """Write the added rows. Rows are collected before the strings and written after them, so
        that every row's strings are already in the file. Raises OSError, as on a full disk."""
        content = b""
        for letter, rows in self._rows.items():
            # never replace the queue: another thread may be about to append to it
            payload = b"".join([rows.popleft() for _ in range(len(rows))])
            if payload:
                content += FRAME.pack(letter.encode(), len(payload)) + payload
        with self._interning:
            strings, self._new_strings = self._new_strings, {}
        if strings:
            content = encode_json_frame({"strings": strings}) + content
        if content and not self._torn:
            self._write(content)

    def _write(self, content: bytes) -> None:
        """Write nothing more after a partial write (full disk): later frames would be misread."""
        self._torn = True
        while content:
            content = content[self._file.write(content) :]
        self._torn = False

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._file.close()


def encode_json_frame(content: Mapping[str, object]) -> bytes:
    payload = dumps(content).encode()
    return FRAME.pack(b"{", len(payload)) + payload
