import json
import os
from contextlib import suppress
from math import nan
from pathlib import Path
from time import time

import pytest
from asgi_probe.journal import (
    CLIENT,
    LEAST_BYTES,
    NAME,
    PARTS,
    STACK,
    ProbeJournal,
    make_packer,
)
from asgi_probe.journal_files import LAUNCH_FILE, remove_ended_journals
from asgi_probe.journal_reader import JournalReader
from hypothesis import given
from hypothesis import strategies as st

from records.build_tables import read_journals
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


@given(st.lists(rows, max_size=4), st.integers(1, 60))
def test_the_probes_own_reader_reads_the_same_in_pieces(
    batches: list[list[tuple[int, float, str | None]]], size: int
) -> None:
    content, reader = written(batches), JournalReader("r")
    pieces = (content[at : at + size] for at in range(0, len(content), size))
    read = [tuple(row.values()) for piece in pieces for _, row in reader.read(piece)]
    assert read == decode_journal(content).tables["r"].rows()


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
    """Each kind has a part for itself, so that clients cannot take the app's."""
    monkeypatch.setattr("asgi_probe.journal.MOST_STRINGS", 10)
    path = tmp_path / "probe.journal"
    journal = ProbeJournal(path, {"h": COLUMNS}, {})
    for kind in (CLIENT, STACK, NAME):
        for _ in range(2):
            for number in range(8):
                text = journal.intern_text(f"{kind} {number}", kind)
                journal.add("h", make_packer(COLUMNS)(number, 0.0, text))
    journal.close()
    texts = decode_journal(path.read_bytes()).tables["h"]["why"].to_list()
    for kind, most in ((CLIENT, 1), (STACK, 6), (NAME, 3)):
        known = [f"{kind} {number}" for number in range(most)]
        assert [texts.pop(0) for _ in range(16)] == [*known, *["(more)"] * (8 - most)] * 2


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


def fill(journal: ProbeJournal, rows: int) -> None:
    pack = make_packer(COLUMNS)
    for number in range(rows):
        journal.add("h", pack(number, 0.0, journal.intern_text(f"/route/{number % 7}")))
        if number % 1000 == 999:
            journal.flush()


def test_a_journal_with_a_limit_stays_below_it_and_its_parts_are_one(tmp_path: Path) -> None:
    journal = ProbeJournal(tmp_path / "probe-7-1.5.journal", {"h": COLUMNS}, {"pid": 7}, 1 << 20)
    for _ in range(8):
        fill(journal, 20_000)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1 << 20
    journal.close()
    assert len(list(tmp_path.iterdir())) == PARTS
    (read,), lost = read_journals(sorted(tmp_path.iterdir()))
    assert lost == ()
    assert read.about["pid"] == 7
    rows = read.tables["h"]
    assert len(rows) * 20 > (1 << 20) / 2  # the parts that were kept are full
    assert rows["number"].to_list() == [n % 20_000 for n in range(160_000)][-len(rows) :]
    assert (rows["why"] == "/route/" + (rows["number"] % 7).cast(str)).all()


def test_each_part_of_a_journal_can_be_read_alone(tmp_path: Path) -> None:
    journal = ProbeJournal(tmp_path / "probe-7-1.5.journal", {"h": COLUMNS}, {"pid": 7}, 1 << 20)
    fill(journal, 60_000)
    journal.close()
    for path in tmp_path.iterdir():
        part = decode_journal(path.read_bytes())
        assert part.about["pid"] == 7
        assert set(part.tables["h"]["why"]) == {f"/route/{number}" for number in range(7)}


def test_a_reader_sees_which_parts_are_missing(tmp_path: Path) -> None:
    journal = ProbeJournal(tmp_path / "probe-7-1.5.journal", {"h": COLUMNS}, {"pid": 7}, 1 << 20)
    fill(journal, 80_000)
    journal.close()
    paths = sorted(tmp_path.iterdir())
    numbers = sorted(decode_journal(path.read_bytes()).about["part"] for path in paths)
    (read,), lost = read_journals(paths)
    assert read.about["removed"] == numbers[0] - 1 > 0
    assert lost == ()
    between = tmp_path / f"probe-7-1.5-{numbers[1]}.journal"
    between.unlink()
    assert read_journals(sorted(tmp_path.iterdir()))[1] == (between.name,)


def test_only_a_journal_that_was_closed_in_order_says_so(tmp_path: Path) -> None:
    path = tmp_path / "probe-7-1.5.journal"

    def read_mark() -> int | None:
        return decode_journal(path.read_bytes()).about.get("closed")

    journal = ProbeJournal(path, {"h": COLUMNS}, {"pid": 7})
    assert read_mark() is None
    journal.close()
    assert read_mark() == 1
    assert journal.reopen()
    assert read_mark() == 0
    journal.close(in_order=False)
    assert read_mark() == 0


def test_a_part_that_is_removed_while_it_is_read_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "probe-7-1.5.journal"
    ProbeJournal(path, {"h": COLUMNS}, {"pid": 7}).close()
    journals, lost = read_journals([path, tmp_path / "probe-7-1.5-2.journal"])
    assert (len(journals), lost) == (1, ())


def test_a_slow_disk_drops_rows_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("asgi_probe.journal.MOST_QUEUED", 10)
    path = tmp_path / "probe.journal"
    journal = ProbeJournal(path, {"h": COLUMNS}, {})
    row = make_packer(COLUMNS)(1, 0.0, 0)
    for _ in range(2):
        for _ in range(13):
            journal.add("h", row)
        journal.flush()
    journal.close()
    read = decode_journal(path.read_bytes())
    assert len(read.tables["h"]) == 20
    assert read.about["dropped"] == 6
    assert len(caplog.records) == 1


def test_the_texts_of_a_journal_are_bounded_in_size(tmp_path: Path) -> None:
    path = tmp_path / "probe-7-1.5.journal"
    journal = ProbeJournal(path, {"h": COLUMNS}, {}, 1 << 20)
    pack = make_packer(COLUMNS)
    for number in range(100):
        journal.add("h", pack(number, 0.0, journal.intern_text(f"{number} " + "x" * 10_000)))
        journal.flush()
    journal.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1 << 20
    texts = decode_journal(path.read_bytes()).tables["h"]["why"].to_list()
    assert texts[0].startswith("0 xx")
    assert texts[-1] == "(more)"


def write_old(path: Path, age_s: float) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(600 << 10))
    os.utime(path, (time() - age_s, time() - age_s))


@pytest.mark.parametrize("most_bytes", [-1, 0, LEAST_BYTES])
def test_journals_of_ended_processes_are_removed_the_oldest_first(
    tmp_path: Path, most_bytes: int
) -> None:
    """A limit has a floor. In a restarted container, the earlier process had this one's pid."""
    for age_s in (400, 300, 200, 1):
        write_old(tmp_path / f"probe-{os.getpid()}-{age_s}.journal", age_s)
    write_old(tmp_path / "probe-of-the-user.journal", 500)
    remove_ended_journals(tmp_path, most_bytes)
    left = {path.stem.split("-")[2] for path in tmp_path.iterdir()}
    assert left == {"200", "1", "the"}


def test_the_full_parts_of_a_live_process_stay(tmp_path: Path) -> None:
    for number, age_s in (("", 900), ("-2", 500), ("-3", 1)):
        write_old(tmp_path / f"probe-7-1.5{number}.journal", age_s)
    remove_ended_journals(tmp_path, LEAST_BYTES)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_starts_of_a_launcher_have_one_limit_together(tmp_path: Path) -> None:
    """Folders that it did not create, and those of another service, are left alone."""
    for name, age_s in (("", 500), ("20261129T120000Z", 400), ("20261130T120000Z", 300)):
        write_old(tmp_path / "shop" / name / "probe-1-2.5.journal", age_s)
        (tmp_path / "shop" / name / LAUNCH_FILE).touch()
    for other in ("shop/20261128T120000Z", "shop/old", "other"):
        write_old(tmp_path / other / "probe-1-2.5.journal", 900)
    (tmp_path / "other" / LAUNCH_FILE).touch()
    remove_ended_journals(tmp_path / "shop" / "20261130T120000Z", LEAST_BYTES)
    left = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("*.journal")}
    assert left == {"shop/20261130T120000Z", "shop/20261128T120000Z", "shop/old", "other"}


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8), st.integers(0, 8))
def test_a_damaged_journal_is_an_error_of_its_own_or_read(
    at: int, other: bytes, removed: int
) -> None:
    """Bytes of a real journal are replaced, added or removed."""
    whole = written([[(1, 0.5, "/a"), (2, nan, None)], [(3, 1.5, "/b")]])
    with suppress(JournalError):
        decode_journal(whole[:at] + other + whole[at + removed :], "damaged")


def test_an_index_of_a_text_has_a_bound() -> None:
    frame = json.dumps({"strings": {"1000000000": "y"}}).encode()
    head = written([[(1, 0.5, "/a")]])
    with pytest.raises(JournalError):
        decode_journal(head + FRAME.pack(b"{", len(frame)) + frame, "huge")
