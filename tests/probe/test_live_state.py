"""What a service does now, from journals with known rows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from asgi_probe import journal_files
from asgi_probe.errors import UsageError
from asgi_probe.journal import FRAME, MORE
from asgi_probe.journal_files import JournalFiles
from asgi_probe.journal_reader import JournalReader, Row
from asgi_probe.live_lines import WINDOW_S
from asgi_probe.live_state import NO_LINE, ServiceState, find_site
from asgi_probe.top_screen import MOST_ROWS, render_screen

from .journal_support import BEAT_S, STACK, written


def look(path: Path) -> ServiceState:
    state = ServiceState()
    state.read(JournalFiles(path).read_new())
    return state


def test_each_piece_of_a_journal_gives_its_whole_rows(tmp_path: Path) -> None:
    """A process writes on while it is read, so a piece may end anywhere."""
    with written(tmp_path) as journal:
        journal.add_request(1, "/a", 1.0)
        journal.add_sample(1.5)
        journal.flush()
        journal.add_request(2, "/b", 2.0, 2.5)
    content = journal.path.read_bytes()
    for size in (1, 7, len(content)):
        reader = JournalReader("h")
        rows: list[tuple[str, Row]] = []
        for at in range(0, len(content), size):
            rows += reader.read(content[at : at + size])
        assert [(letter, row["visit"], row["route"]) for letter, row in rows] == [
            ("h", 1, "/a"), ("h", 2, "/b"),
        ]  # fmt: skip
        assert rows[0][1]["sent_s"] is None
        assert reader.about["pid"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        FRAME.pack(b"{", 2) + b"{}" + FRAME.pack(b"h", 0),
        FRAME.pack(b"{", 28) + b'{"journal": 9, "tables": {}}',
        FRAME.pack(b"{", 3) + b"[1,",
    ],
)
def test_what_is_no_journal_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a journal|Expecting"):
        list(JournalReader("h").read(content))


def test_rates_latencies_and_requests_in_flight(tmp_path: Path) -> None:
    with written(tmp_path) as journal:
        journal.add_sample(100.0)
        for visit in range(1, 21):  # 20 in 5 s
            journal.add_request(visit, "/items", 100.0 + visit / 4 - 0.1 * visit, 100.0 + visit / 4)
        journal.add_request(21, "/items", 104.0)
        journal.add_request(22, "/slow", 104.5)
        journal.add_request(23, "/fails", 104.0, 104.5, status=503)
        journal.add_request(23, "/fails", 104.0)  # a snapshot that was written late
        journal.add_sample(105.0, age_s=0.3 + BEAT_S, in_flight=2)
    items, fails, slow = look(tmp_path).list_routes()
    assert (items.route, items.per_s, items.in_flight, items.failed) == ("/items", 4.0, 1, 0)
    assert items.latency_s == pytest.approx(1.05)
    assert items.longest_s == pytest.approx(2.0)
    assert items.wait_s == 0.25
    assert (fails.route, fails.failed, fails.in_flight) == ("/fails", 1, 0)
    assert (slow.route, slow.per_s, slow.in_flight, slow.latency_s) == ("/slow", 0.0, 1, None)
    (loop,) = look(tmp_path).list_processes()
    assert (loop.pid, loop.in_flight, loop.total) == (1, 2, None)
    assert loop.lag_s == pytest.approx(0.3)


def test_what_is_over_is_forgotten(tmp_path: Path) -> None:
    with written(tmp_path) as journal:
        journal.add_request(1, "/a", 1.0)
        journal.add_sample(1.0, age_s=1.0)
        journal.add_request(1, "/a", 1.0, 2.0)
        journal.add("b", stretch=1, began_s=1.0, ended_s=2.0, run_delay_s=0.0)
        journal.add("c", stretch=1, at_s=1.5, stack=STACK)
        journal.flush()
        state = look(tmp_path)
        assert len(state.list_routes()) == len(state.list_sites()) == 1
        journal.add_sample(2.0 + WINDOW_S + 0.1)
        journal.flush()
        state = look(tmp_path)
        assert (state.list_routes(), len(state.list_sites())) == ([], 1)
        assert state.list_processes()[0].lag_s == 0.0
        journal.add_sample(70.0)
        journal.flush()
        assert look(tmp_path).list_sites() == []


def test_blocks_are_summed_by_line_without_what_the_machine_took(tmp_path: Path) -> None:
    with written(tmp_path) as journal:
        journal.add_sample(10.0)
        for stretch, delay_s in ((1, 0.1), (2, 0.39), (3, 0.0)):
            at_s = 10.0 + stretch
            journal.add("c", stretch=stretch, at_s=at_s, stack=STACK)
            journal.add(
                "b", stretch=stretch, began_s=at_s, ended_s=at_s + 0.4, route="/items",
                run_delay_s=delay_s, paused_s=0.0, cpu_s=0.05,
            )  # fmt: skip
        journal.add("b", stretch=4, began_s=14.0, route="/now", run_delay_s=0.0)  # not over yet
        journal.add_sample(15.0)
    now, items = look(tmp_path).list_sites()
    assert (now.site, now.route, now.blocked_s, now.cpu_s) == ("(line unknown)", "/now", 1.0, None)
    assert (items.site, items.blocks) == ("shop/main.py:7 read_item", 2)
    assert items.blocked_s == pytest.approx(0.7)
    assert items.longest_s == pytest.approx(0.4)
    assert items.cpu_s == pytest.approx(0.1)


def test_without_own_code_the_innermost_line_counts() -> None:
    assert find_site(STACK.replace("/home/me/shop", "/v/site-packages/shop")) == (
        "json/decoder.py:340 decode"
    )


def test_a_stack_without_room_in_the_journal_has_no_line(tmp_path: Path) -> None:
    with written(tmp_path) as journal:
        journal.add_sample(10.0)
        journal.add("c", stretch=1, at_s=11.0, stack=MORE)
        journal.add("b", stretch=1, began_s=11.0, ended_s=11.4, route="/items")
        journal.add_sample(12.0)
    assert [line.site for line in look(tmp_path).list_sites()] == [NO_LINE]


def test_old_rows_are_skipped_and_their_texts_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_files, "RECENT_BYTES", 400)
    with written(tmp_path) as journal:
        for visit in range(1, 10):
            journal.add_request(visit, "/items", visit, visit + 0.5)
            journal.flush()
        journal.add_sample(9.6)
    with journal.path.open("ab") as file:
        file.write(FRAME.pack(b"h", 1000) + b"torn")
    state = look(tmp_path)
    (line,) = state.list_routes()
    assert line.route == "/items"
    files = JournalFiles(tmp_path)
    (first,) = files.read_new()
    rows = list(JournalReader("h").read(first[1]))
    assert 0 < len(rows) < 9
    assert [content for _, content in files.read_new()] == [FRAME.pack(b"h", 1000) + b"torn"]


def test_parts_of_one_journal_belong_together(tmp_path: Path) -> None:
    """A journal with a limit goes on in another file: the request ends there."""
    with written(tmp_path) as journal:
        journal.add_request(1, "/a", 1.0)
        journal.add_sample(1.0)
    with written(tmp_path / "..", start_s=5.0) as later:
        later.add_request(1, "/a", 1.0, 2.0)
        later.add_sample(2.0)
    later.path.rename(journal.path.with_name(f"{journal.path.stem}-2.journal"))
    files, state = JournalFiles(tmp_path), ServiceState()
    for _ in range(2):  # the first part stays, and gets nothing more
        state.read(files.read_new())
    assert [line.in_flight for line in state.list_routes()] == [0]
    assert len(state.list_processes()) == 1


def test_a_process_that_was_silent_comes_back(tmp_path: Path) -> None:
    with written(tmp_path) as silent, written(tmp_path, pid=2) as other:
        files, state = JournalFiles(tmp_path), ServiceState()
        for journal, at_s in ((silent, 1.0), (other, 1.0), (other, 20.0)):
            journal.add_sample(at_s)
            journal.flush()
        state.read(files.read_new())
        assert [line.pid for line in state.list_processes()] == [2]
        silent.add_sample(21.0)
        silent.flush()
        state.read(files.read_new())
        assert [line.pid for line in state.list_processes()] == [1, 2]


def test_an_ended_process_is_left_out(tmp_path: Path) -> None:
    """By its file's age, since its clock may be another machine's, or by its own last sample."""
    (tmp_path / "again").mkdir()
    for folder, pid in ((tmp_path, 1), (tmp_path, 2), (tmp_path / "again", 3)):
        with written(folder, pid) as journal:
            journal.add_sample(1.0 if pid == 2 else 50.0)
    first = tmp_path / "probe-1-0.000.journal"
    os.utime(first, (1.0, 1.0))
    assert [line.pid for line in look(tmp_path).list_processes()] == [3]
    assert [line.pid for line in look(first).list_processes()] == [1]


def test_without_a_journal_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no journal; the service got no request yet"):
        look(tmp_path)


def test_the_screen_has_80_columns_and_no_control_characters(tmp_path: Path) -> None:
    with written(tmp_path) as journal:
        journal.add_sample(1.0)
        for visit in range(MOST_ROWS + 5):
            journal.add_request(visit, f"/{visit}/" + "long/" * 30 + "\x1b[2J", 1.0, 12.0)
            journal.add("b", stretch=visit, began_s=1.0, ended_s=12.0, route="/" + "r" * 200)
            journal.add("c", stretch=visit, at_s=2.0, stack=STACK.replace("read", "r" * 50))
        journal.add_sample(12.0, pool_total=40.0, pool_borrowed=40.0, pool_waiting=1000.0)
    lines = render_screen(look(tmp_path), "asgi-probe top: here", 80)
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)
    assert "40/40" in "\n".join(lines)
    assert "and 5 more" in lines
    assert max(map(len, render_screen(look(tmp_path), "x", 40)[:-1])) <= 40


def test_event_loops_of_one_process_are_one_row_with_their_pools_added_up(tmp_path: Path) -> None:
    with written(tmp_path) as journal:
        for loop, tokens in ((11, 40.0), (12, 5.0)):
            journal.add_sample(3.0, loop_thread=loop, pool_total=tokens, pool_borrowed=2.0)
        journal.flush()
        (process,) = look(tmp_path).list_processes()
        assert (process.borrowed, process.total, process.waiting) == (4.0, 45.0, None)
        journal.add_sample(5.0, loop_thread=12, pool_total=5.0, pool_borrowed=1.0)
        journal.flush()
        (process,) = look(tmp_path).list_processes()
        assert (process.borrowed, process.total) == (1.0, 5.0)  # the other loop has ended


def test_a_pipe_is_no_journal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "probe-1-2.000.journal")
    with pytest.raises(UsageError, match="no journal"):
        look(tmp_path)
