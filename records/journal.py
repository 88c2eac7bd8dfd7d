"""Reads the journals of the probe and of the load users, and writes those of the load users.

Format (as in probe/asgi_probe/journal.py): each frame is one letter, a little-endian u32 length and
a payload. `{` is JSON: the header with every table's columns, then additions to the string table.
Other letters are packed rows. The reader drops a torn end, which SIGKILL leaves.
"""

import json
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from records.harmless import escape_halves

VERSION = 1
FRAME = struct.Struct("<cI")
PIECE = 1 << 24
"""Bytes that are decoded together."""
TEXT = "text"
MORE = "(more)"
"""Stands for each text that the full table of a probe's texts did not take."""
NUMPY = {"f8": "<f8", "u8": "<u8", "u4": "<u4", "i4": "<i4", "u2": "<u2", TEXT: "<u4"}
Columns = tuple[tuple[str, str], ...]


class JournalError(Exception):
    """A file that is not a journal, or has another version."""


@dataclass(frozen=True, slots=True)
class Journal:
    """about: the header without the columns, and `dropped`, the number of rows that the probe did
    not write because the disk was too slow. tables: by letter."""

    about: Mapping[str, int]
    tables: Mapping[str, pl.DataFrame]


def iterate_frames(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield complete frames only."""
    at = 0
    while at + FRAME.size <= len(content):
        letter, length = FRAME.unpack_from(content, at)
        at += FRAME.size
        if at + length > len(content):
            return
        yield letter.decode("latin-1"), content[at : at + length]
        at += length


def decode_journal(content: bytes, name: str = "journal") -> Journal:
    """Decode a journal into tables. NaN becomes null, and string ids become texts.
    Raises JournalError."""
    return decode_pieces((content,), name)


def read_journal(path: Path) -> Journal:
    """Decode a file, as `decode_journal` does, in pieces: ten million requests are 1 GB. Raises
    JournalError, OSError."""
    if not path.is_file() and path.exists():
        raise JournalError(f"{path}: not a regular file")
    with path.open("rb") as file:
        return decode_pieces(iter(lambda: file.read(PIECE), b""), str(path))


def decode_pieces(pieces: Iterable[bytes], name: str) -> Journal:
    decoder, parts = JournalDecoder(name), defaultdict[str, list[pl.DataFrame]](list)
    try:
        for piece in pieces:
            for letter, rows in decoder.decode(piece).items():
                parts[letter].append(rows)
    except DAMAGED as error:
        raise JournalError(f"{name}: damaged ({type(error).__name__})") from error
    if not decoder.columns:
        raise decoder.make_error()
    empty = {letter: decode_table(each, b"", {}) for letter, each in decoder.columns.items()}
    found = {letter: pl.concat(each) for letter, each in parts.items()}
    return Journal(decoder.about, {**empty, **found})


DAMAGED = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
    pl.exceptions.PolarsError,
)  # fmt: skip
"""What damaged frames raise."""
MOST_STRINGS = 1_000_000
"""A hundred times what a probe writes."""


class JournalDecoder:
    """A decoder of a journal in pieces. It keeps an incomplete frame for the next piece."""

    def __init__(self, name: str) -> None:
        self.about: Mapping[str, int] = {}
        self.columns: Mapping[str, Columns] = {}
        self._name = name
        self._strings: dict[int, str] = {}
        self._rest = b""

    def decode(self, content: bytes) -> Mapping[str, pl.DataFrame]:
        """Return the new rows by letter, without empty tables. Raises JournalError for another
        kind of file or version."""
        self._rest += content
        read, payloads = 0, defaultdict[str, list[bytes]](list)
        for letter, payload in iterate_frames(self._rest):
            read += FRAME.size + len(payload)
            if letter == "{":
                self._read_header(json.loads(payload))
            elif letter in self.columns:
                payloads[letter].append(payload)
            else:
                raise self.make_error()
        self._rest = self._rest[read:]
        return {
            letter: decode_table(self.columns[letter], b"".join(parts), self._strings)
            for letter, parts in payloads.items()
        }

    def make_error(self) -> JournalError:
        return JournalError(f"{self._name}: not a journal of version {VERSION}")

    def _read_header(self, message: Mapping[str, object]) -> None:
        strings, tables = message.get("strings"), message.get("tables")
        if isinstance(strings, dict):
            self._strings |= {
                int(index): escape_halves(str(text)) for index, text in strings.items()
            }
            if max(self._strings, default=0) > MOST_STRINGS:
                raise self.make_error()
        if isinstance(tables, dict):
            if message.get("journal") != VERSION:
                raise self.make_error()
            self.columns = tables
        about = {name: each for name, each in message.items() if isinstance(each, int)}
        about.pop("journal", None)
        self.about = {**self.about, **about}


class JournalTail(JournalDecoder):
    """A reader of a journal that its process still writes, at no cost to that process."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path
        self._at = 0

    def read_new_rows(self) -> Mapping[str, pl.DataFrame]:
        """Return the rows appended since the last call, in the form of `decode`."""
        with self.path.open("rb") as file:
            file.seek(self._at)
            content = file.read()
        self._at += len(content)
        return self.decode(content)


def decode_table(
    columns: Sequence[Sequence[str]], payload: bytes, strings: Mapping[int, str]
) -> pl.DataFrame:
    dtype = np.dtype([(name, NUMPY[kind]) for name, kind in columns])
    rows = np.frombuffer(payload, dtype)
    lookup = pl.Series(
        [None, *(strings.get(i, "?") for i in range(1, max(strings, default=0) + 1))],
        dtype=pl.String,
    )
    series = {name: pl.Series(np.ascontiguousarray(rows[name])) for name, _ in columns}
    for name, kind in columns:
        if kind == TEXT:
            series[name] = lookup.gather(series[name])
        elif kind == "f8":
            series[name] = series[name].fill_nan(None)
    return pl.DataFrame(series)


class JournalWriter:
    """A writer that packs rows into frames for a sink: a file, or a message to the master."""

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
        """Write rows in column order: texts unchanged, unknown times as NaN."""
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
