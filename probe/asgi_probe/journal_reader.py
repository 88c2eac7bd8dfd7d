"""Reads journals with the standard library alone, while their processes still write them. `study`
reads whole journals with numpy instead."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from json import loads
from typing import Union

from .journal import CODES, FRAME, VERSION

LARGEST_FRAME = 1 << 28
Value = Union[float, int, str, None]
Row = dict[str, Value]
"""A row by column. Unknown times and empty texts are None."""


class JournalReader:
    """Reader of one journal in pieces. Rows of other tables than `letters` are skipped.

    about: numbers of the header, such as pid, and beat_us, the period of the samples.
    """

    def __init__(self, letters: str) -> None:
        self.about: dict[str, int] = {}
        self._letters = letters
        self._tables: dict[str, list[list[str]]] = {}
        self._texts: dict[int, str] = {}
        self._rest = b""

    def read(self, content: bytes) -> Iterator[tuple[str, Row]]:
        """Yield each new row with the letter of its table. A partial last frame is kept for the
        next piece. Raises ValueError for anything but a journal of this version."""
        content, at = self._rest + content, 0
        while at + FRAME.size <= len(content):
            first, length = FRAME.unpack_from(content, at)
            end = at + FRAME.size + length
            letter = first.decode("latin-1")
            if length > LARGEST_FRAME or not (self._tables or letter == "{"):
                raise ValueError(f"not a journal of version {VERSION}")
            if end > len(content):
                break
            payload = content[at + FRAME.size : end]
            if letter == "{":
                self._read_texts(payload)
            elif letter in self._letters:
                for row in self._read_rows(letter, payload):
                    yield letter, row
            at = end
        self._rest = content[at:]

    def _read_texts(self, payload: bytes) -> None:
        entry = loads(payload)
        if "tables" in entry:
            if entry.get("journal") != VERSION:
                raise ValueError(f"not a journal of version {VERSION}")
            self._tables = entry["tables"]
            self.about = {name: value for name, value in entry.items() if isinstance(value, int)}
        elif not self._tables:
            raise ValueError(f"not a journal of version {VERSION}")
        self._texts.update((int(index), text) for index, text in entry.get("strings", {}).items())

    def _read_rows(self, letter: str, payload: bytes) -> Iterator[Row]:
        columns = self._tables[letter]
        packed = struct.Struct("<" + "".join(CODES[kind] for _, kind in columns))
        for values in packed.iter_unpack(payload):
            yield {
                name: self._texts.get(value)
                if kind == "text"
                else None
                if value != value
                else value
                for (name, kind), value in zip(columns, values)
            }
