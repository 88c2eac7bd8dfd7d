"""The journal a process leaves behind: appended often, readable after SIGKILL.

A journal is a row of frames: one letter that names the table, the payload's length as a
little-endian u32, the payload. Table `{` holds JSON: first the header, which describes every
other table's columns, then new entries of the string table. All else is packed rows. A torn
last frame is what a killed process leaves; the reader (folder `records`) drops it.
"""

from __future__ import annotations

import json
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

VERSION = 1
FRAME = struct.Struct("<cI")
MOST_STRINGS = 10_000
"""Distinct texts kept per process; an app that puts ids into its paths gets "(more)" beyond."""
MORE = "(more)"

Columns = tuple[tuple[str, str], ...]
"""Name and numpy type code of each column; type "text" is a u4 index into the string table."""

CODES = {"f8": "d", "u8": "Q", "u4": "I", "i4": "i", "u2": "H", "text": "I"}


def make_packer(columns: Columns) -> Callable[..., bytes]:
    """Packs one row, its values in the order of the columns."""
    return struct.Struct("<" + "".join(CODES[kind] for _, kind in columns)).pack


class ProbeJournal:
    """One file. Rows come packed, from any thread; `flush` is one thread's business."""

    def __init__(self, path: Path, tables: Mapping[str, Columns], about: Mapping[str, int]) -> None:
        self._strings: dict[str | None, int] = {None: 0}
        self._new_strings: dict[str, str] = {}
        self._interning = threading.Lock()
        self._rows: dict[str, deque[bytes]] = {letter: deque() for letter in tables}
        self._torn = False
        self._file = path.open("ab", buffering=0)
        self._file.write(encode_json_frame({"journal": VERSION, "tables": tables, **about}))

    def intern_text(self, value: str | None) -> int:
        """The string table's index for a text; 0 means that there is none."""
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
        """Writes what was added. Rows are taken before the strings, so that none is missing,
        and written after them."""
        content = b""
        for letter, rows in self._rows.items():
            # never by exchanging the queue: another thread may be about to append to it
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
        """What a full disk takes in part is the last: a frame behind it would be read wrongly."""
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
    payload = json.dumps(content).encode()
    return FRAME.pack(b"{", len(payload)) + payload
