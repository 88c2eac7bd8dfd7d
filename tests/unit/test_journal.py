import json
from math import nan
from pathlib import Path

import pytest
from asgi_probe.journal import ProbeJournal, make_packer
from hypothesis import given
from hypothesis import strategies as st

from records.journal import (
    FRAME,
    JournalError,
    JournalWriter,
    decode_journal,
    iterate_frames,
    read_journal,
)

COLUMNS = (("number", "u8"), ("moment_s", "f8"), ("why", "text"))
rows = st.lists(
    st.tuples(
        st.integers(0, 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.text(max_size=20),
    ),
    max_size=30,
)


def written(batches: list[list[tuple[int, float, str | None]]]) -> bytes:
    content = bytearray()
    writer = JournalWriter(content.extend, {"r": COLUMNS}, {"process": 3})
    for batch in batches:
        writer.write("r", batch)
    return bytes(content)


@given(st.lists(rows, max_size=4))
def test_what_is_written_is_read(batches: list[list[tuple[int, float, str | None]]]) -> None:
    journal = decode_journal(written(batches))
    assert journal.about == {"process": 3}
    assert journal.tables["r"].rows() == [row for batch in batches for row in batch]


@given(st.lists(rows, min_size=1, max_size=4), st.data())
def test_a_torn_end_loses_only_the_last_frames(
    batches: list[list[tuple[int, float, str | None]]], data: st.DataObject
) -> None:
    content = written(batches)
    header = next(iterate_frames(content))
    least = FRAME.size + len(header[1])
    torn = content[: data.draw(st.integers(least, len(content)))]
    whole = [row for batch in batches for row in batch]
    read = decode_journal(torn).tables["r"].rows()
    assert read == whole[: len(read)]


def test_the_probes_own_writer_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "probe.journal"
    journal = ProbeJournal(path, {"h": COLUMNS}, {"pid": 42})
    pack = make_packer(COLUMNS)
    for number, moment_s, text in ((1, 0.5, "/a"), (2, nan, None)):
        journal.add("h", pack(number, moment_s, journal.intern_text(text)))
    journal.flush()
    for number, moment_s, text in ((3, 1.5, "/b"), (4, 2.5, "/a")):
        journal.add("h", pack(number, moment_s, journal.intern_text(text)))
    journal.close()
    read = decode_journal(path.read_bytes())
    assert read.about["pid"] == 42
    assert read.tables["h"].rows() == [
        (1, 0.5, "/a"), (2, None, None), (3, 1.5, "/b"), (4, 2.5, "/a"),
    ]  # fmt: skip


@pytest.mark.parametrize("piece", [1, 7, 100, 1 << 20])
def test_a_file_is_read_in_pieces(
    piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces end anywhere; a text of an earlier piece is known in a later one."""
    content = written([[(1, 0.5, "/a")], [(2, 1.5, "/b"), (3, 2.5, None)], [(4, 3.5, "/a")]])
    path = tmp_path / "load.journal"
    path.write_bytes(content[:-1])
    monkeypatch.setattr("records.journal.PIECE", piece)
    assert read_journal(path).tables["r"].rows() == [
        (1, 0.5, "/a"), (2, 1.5, "/b"), (3, 2.5, None),
    ]  # fmt: skip
    path.write_bytes(content)
    assert read_journal(path).tables["r"].equals(decode_journal(content).tables["r"])


def test_texts_without_end_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgi_probe.journal.MOST_STRINGS", 3)
    path = tmp_path / "probe.journal"
    journal = ProbeJournal(path, {"h": COLUMNS}, {})
    for number in range(6):
        journal.add("h", make_packer(COLUMNS)(number, 0.0, journal.intern_text(f"/item/{number}")))
    journal.close()
    texts = decode_journal(path.read_bytes()).tables["h"]["why"].to_list()
    assert texts == ["/item/0", "/item/1", "/item/2", *["(more)"] * 3]


@pytest.mark.parametrize(
    "content", [b"", b"{", FRAME.pack(b"{", 2) + b"{}", FRAME.pack(b"x", 3) + b"abc"]
)
def test_what_is_no_journal_is_refused(content: bytes) -> None:
    with pytest.raises(JournalError, match="not a journal"):
        decode_journal(content)


def test_another_version_is_refused() -> None:
    payload = json.dumps({"journal": 99, "tables": {}}).encode()
    with pytest.raises(JournalError):
        decode_journal(FRAME.pack(b"{", len(payload)) + payload)
