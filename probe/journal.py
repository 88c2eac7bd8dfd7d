"""The journal a process leaves behind: appended often, readable after SIGKILL.

A journal is a row of frames: one letter that names the table, the payload's length as a
little-endian u32, the payload. Table `{` holds JSON: first the header, which describes every
other table's columns, then new entries of the string table. All else is packed rows. A torn
last frame is what a killed process leaves; the reader (folder `records`) drops it.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

VERSION = 1
FRAME = struct.Struct("<cI")
MOST_STRINGS = 10_000
"""Distinct texts kept per process; an app that puts ids into its paths gets "(more)" beyond."""

Columns = tuple[tuple[str, str], ...]
"""Name and numpy type code of each column; type "text" is a u4 index into the string table."""

CODES = {"f8": "d", "u8": "Q", "u4": "I", "i4": "i", "u2": "H", "text": "I"}
Row = tuple[float | int, ...]


class Journal:
    """Appends rows to one file. Used by one thread."""

    def __init__(self, path: Path, tables: Mapping[str, Columns], about: Mapping[str, int]) -> None:
        self._packers = {
            name: struct.Struct("<" + "".join(CODES[kind] for _, kind in columns))
            for name, columns in tables.items()
        }
        self._strings: dict[str | None, int] = {None: 0}
        self._new_strings: dict[str, str] = {}
        self._file = path.open("ab", buffering=0)
        self._pending = bytearray()
        self._frame_json({"journal": VERSION, "tables": tables, **about})

    def text(self, value: str | None) -> int:
        """The string table's index for a text; 0 means that there is none."""
        index = self._strings.get(value)
        if index is None and value is not None:
            if len(self._strings) >= MOST_STRINGS:
                return self.text("(more)") if "(more)" in self._strings else self._intern("(more)")
            return self._intern(value)
        return index or 0

    def _intern(self, value: str) -> int:
        index = self._strings[value] = len(self._strings)
        self._new_strings[str(index)] = value
        return index

    def rows(self, table: str, rows: Iterable[Row]) -> None:
        pack = self._packers[table].pack
        payload = b"".join([pack(*row) for row in rows])
        if payload:
            self._pending += FRAME.pack(table.encode(), len(payload)) + payload

    def flush(self) -> None:
        """Writes what is pending: strings before the rows that use them."""
        rows, self._pending = self._pending, bytearray()
        if self._new_strings:
            self._frame_json({"strings": self._new_strings})
            self._new_strings = {}
        self._file.write(bytes(self._pending + rows))
        self._pending = bytearray()

    def _frame_json(self, content: Mapping[str, object]) -> None:
        payload = json.dumps(content).encode()
        self._pending += FRAME.pack(b"{", len(payload)) + payload

    def close(self) -> None:
        self.flush()
        self._file.close()
