"""A journal that is still being written: every row once, in whatever pieces the bytes arrive."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.journal import FRAME, JournalError, JournalTail, JournalWriter
from records.rows import LOAD_JOURNAL

Row = tuple[int, int, float, float, float, int, str | None, int]


def row(number: int) -> Row:
    return (0, number, 1.0, 1.0, 2.0, 200, f"error {number % 3}" if number % 2 else None, 4)


def journal(rows: int) -> bytes:
    content = bytearray()
    writer = JournalWriter(content.extend, LOAD_JOURNAL, {"process": 3})
    for number in range(1, rows + 1):
        writer.write("r", [row(number)])
    return bytes(content)


@given(st.integers(0, 12), st.lists(st.integers(1, 400), max_size=12))
def test_every_row_is_told_once_wherever_the_writing_was_cut(
    tmp_path_factory: pytest.TempPathFactory, rows: int, pieces: list[int]
) -> None:
    content, path = journal(rows), tmp_path_factory.mktemp("tail") / "load-0.journal"
    path.touch()
    tail, seen = JournalTail(path), []
    for piece in (*pieces, len(content)):
        with path.open("ab") as file:
            file.write(content[:piece])
        content = content[piece:]
        for letter, table in tail.read_new_rows().items():
            assert letter == "r"
            seen += table.select("request_id", "error").rows()
    assert seen == [(number, row(number)[6]) for number in range(1, rows + 1)]
    assert tail.about.get("process") == (3 if rows or tail.about else None)
    assert tail.read_new_rows() == {}


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "load-0.journal"
    text = b'{"journal": 99, "tables": {}}'
    path.write_bytes(FRAME.pack(b"{", len(text)) + text)
    with pytest.raises(JournalError, match="version 1"):
        JournalTail(path).read_new_rows()
