"""Reads the journals that the probe and the load users append to, and writes the latter.

Format (probe/journal.py tells it too): frames of one letter, a little-endian u32 length and a
payload. `{` is JSON: the header with every table's columns, then additions to the string table.
Other letters are packed rows. A torn end is dropped: it is what SIGKILL leaves.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

VERSION = 1
FRAME = struct.Struct("<cI")
TEXT = "text"
NUMPY = {"f8": "<f8", "u8": "<u8", "u4": "<u4", "i4": "<i4", "u2": "<u2", TEXT: "<u4"}
Columns = tuple[tuple[str, str], ...]


class JournalError(Exception):
    """A file that is no journal, or of another version."""


@dataclass(frozen=True, slots=True)
class Journal:
    """about: what the header says apart from the columns; tables: by their letter."""

    about: Mapping[str, int]
    tables: Mapping[str, pl.DataFrame]


def iterate_frames(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Whole frames only."""
    at = 0
    while at + FRAME.size <= len(content):
        letter, length = FRAME.unpack_from(content, at)
        at += FRAME.size
        if at + length > len(content):
            return
        yield letter.decode("latin-1"), content[at : at + length]
        at += length


def read_journal(path: Path) -> Journal:
    """One process's journal as tables; NaN becomes null, texts are looked up.

    Raises JournalError.
    """
    return decode_journal(path.read_bytes(), str(path))


def decode_journal(content: bytes, name: str = "journal") -> Journal:
    header: dict[str, object] = {}
    strings: dict[int, str] = {}
    payloads: dict[str, list[bytes]] = {}
    for letter, payload in iterate_frames(content):
        if letter != "{":
            payloads.setdefault(letter, []).append(payload)
            continue
        message = json.loads(payload)
        header = header or message
        strings |= {int(index): text for index, text in message.get("strings", {}).items()}
    tables = header.pop("tables", None)
    if header.pop("journal", None) != VERSION or not isinstance(tables, dict):
        raise JournalError(f"{name}: not a journal of version {VERSION}")
    return Journal(
        about={key: value for key, value in header.items() if isinstance(value, int)},
        tables={
            letter: decode_table(columns, b"".join(payloads.get(letter, ())), strings)
            for letter, columns in tables.items()
        },
    )


def decode_table(
    columns: Sequence[Sequence[str]], payload: bytes, strings: Mapping[int, str]
) -> pl.DataFrame:
    dtype = np.dtype([(name, NUMPY[kind]) for name, kind in columns])
    rows = np.frombuffer(payload, dtype)
    lookup = pl.Series(
        [None, *(strings.get(i, "?") for i in range(1, max(strings, default=0) + 1))],
        dtype=pl.String,
    )
    return pl.DataFrame(
        {
            name: (
                lookup.gather(pl.Series(np.ascontiguousarray(rows[name])))
                if kind == TEXT
                else pl.Series(np.ascontiguousarray(rows[name])).fill_nan(None)
                if kind == "f8"
                else pl.Series(np.ascontiguousarray(rows[name]))
            )
            for name, kind in columns
        }
    )


class JournalWriter:
    """Packs rows into frames and hands the bytes to a sink: a file, or a message to a master."""

    def __init__(
        self,
        sink: Callable[[bytes], None],
        tables: Mapping[str, Columns],
        about: Mapping[str, int],
    ) -> None:
        self._sink = sink
        self._columns = tables
        self._strings: dict[str, int] = {}
        self._write_json({"journal": VERSION, "tables": tables, **about})

    def write(self, letter: str, rows: Sequence[tuple[float | int | str | None, ...]]) -> None:
        """Rows in column order; texts as they are, unknown times as NaN."""
        if not rows:
            return
        new: dict[str, str] = {}
        columns = self._columns[letter]
        packed = np.zeros(len(rows), [(name, NUMPY[kind]) for name, kind in columns])
        for (name, kind), values in zip(columns, zip(*rows, strict=True), strict=True):
            packed[name] = (
                [self._intern_text(value, new) for value in values] if kind == TEXT else values
            )
        if new:
            self._write_json({"strings": new})
        payload = packed.tobytes()
        self._sink(FRAME.pack(letter.encode("latin-1"), len(payload)) + payload)

    def _intern_text(self, value: object, new: dict[str, str]) -> int:
        if not isinstance(value, str):
            return 0
        if value not in self._strings:
            self._strings[value] = len(self._strings) + 1
            new[str(self._strings[value])] = value
        return self._strings[value]

    def _write_json(self, content: Mapping[str, object]) -> None:
        payload = json.dumps(content).encode()
        self._sink(FRAME.pack(b"{", len(payload)) + payload)
