"""Follows a journal while its process still writes it; asks nothing of that process."""

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from records.journal import FRAME, VERSION, JournalError, decode_table, iterate_frames


class JournalTail:
    """Rows that were appended since the last look. Half a frame waits for its other half."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about: Mapping[str, int] = {}
        self._at = 0
        self._columns: Mapping[str, list[tuple[str, str]]] = {}
        self._strings: dict[int, str] = {}

    def read_new_rows(self) -> Mapping[str, pl.DataFrame]:
        """By letter; nothing for a table without new rows. Raises JournalError for a file of
        another kind or version."""
        with self.path.open("rb") as file:
            file.seek(self._at)
            content = file.read()
        payloads: dict[str, list[bytes]] = {}
        for letter, payload in iterate_frames(content):
            self._at += FRAME.size + len(payload)
            if letter == "{":
                self._read_header(json.loads(payload))
            elif letter in self._columns:
                payloads.setdefault(letter, []).append(payload)
            else:
                raise JournalError(f"{self.path}: rows of no table that its header names")
        return {
            letter: decode_table(self._columns[letter], b"".join(parts), self._strings)
            for letter, parts in payloads.items()
        }

    def _read_header(self, message: Mapping[str, object]) -> None:
        strings, tables = message.get("strings"), message.get("tables")
        if isinstance(strings, dict):
            self._strings |= {int(index): str(text) for index, text in strings.items()}
        if isinstance(tables, dict):
            if message.get("journal") != VERSION:
                raise JournalError(f"{self.path}: not a journal of version {VERSION}")
            self._columns = tables
            self.about = {name: each for name, each in message.items() if isinstance(each, int)}
