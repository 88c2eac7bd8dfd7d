"""A running cell, as its files describe it and as a terminal shows it."""

import json
from asyncio import Event
from pathlib import Path
from time import monotonic

import pytest
from asgi_probe.loop_monitor import SAMPLES
from asgi_probe.request_record import HANDLERS
from hypothesis import given
from hypothesis import strategies as st

from records.journal import FRAME, JournalWriter
from records.rows import LOAD_JOURNAL
from stress.load.protocol import LoadProgress, write_message
from study.live.broadcast import LiveBroadcast
from study.live.follow import RATE_OVER_S, CellFollower, LiveSample
from study.live.panel import WIDTH, render_bar, render_panel
from study.live.state import LiveState, read_state, write_state

Row = tuple[float | int | str | None, ...]


def write(path: Path, tables: dict[str, tuple[tuple[str, str], ...]], **rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = bytearray()
    writer = JournalWriter(content.extend, tables, {"pid": 7})
    for letter, of in rows.items():
        writer.write(letter, of)
    path.write_bytes(content)


def sent(number: int, ended_s: float, error: str | None = None) -> Row:
    return (0, number, ended_s - 1, ended_s - 1, ended_s, 200, error, 4)


def sample(at_s: float, age_s: float, frame: str | None = None) -> Row:
    values: dict[str, float | int | str | None] = {
        "at_s": at_s, "heartbeat_age_s": age_s, "in_flight": 3, "threads_loop": 1,
        "threads_anyio_worker": 40, "threads_executor": 0, "threads_other": 0, "pool_total": 40,
        "pool_borrowed": 38, "pool_waiting": 2, "rss_bytes": 1, "cpu_s": 1, "blocked_frame": frame,
        "loop_thread": 7,
    }  # fmt: skip
    return tuple(values.get(name) for name, _ in SAMPLES)


def visit(number: int, started_s: float, ended_s: float) -> Row:
    values: dict[str, float | int | str | None] = {
        "visit": number, "request_id": number, "route": "/x", "arrived_s": started_s,
        "queued_s": float("nan"), "started_s": started_s, "ended_s": ended_s, "sent_s": ended_s,
        "pool_wait_s": 0.0, "thread_id": 7, "thread_kind": "loop", "status": 200,
        "endpoint": None, "method": "GET", "returned_s": ended_s, "protocol": "http",
    }  # fmt: skip
    return tuple(values[name] for name, _ in HANDLERS)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A cell with 10 responses just now, 4 of them failures, and 5 long ago."""
    now_s = monotonic()
    folder = tmp_path / "cells" / "x.1" / "raw"
    late = [sent(number, now_s - 60) for number in range(100, 105)]
    good = [sent(number, now_s - 0.1) for number in range(1, 7)]
    bad = [sent(number, now_s - 0.1, "HTTP 504") for number in range(7, 11)]
    write(folder / "load-0.journal", LOAD_JOURNAL, r=[*late, *good, *bad])
    write(
        folder / "journals" / "probe-7-1.journal",
        {"h": HANDLERS, "s": SAMPLES},
        h=[visit(1, now_s - 1.5, now_s - 1.0)],
        s=[sample(now_s - 2, 0.005), sample(now_s, 1.5, "app/x.py:3 fetch")],
    )
    write_message(folder, LoadProgress(users=20, in_flight=12))
    return folder


def test_a_look_is_what_the_files_say(raw: Path) -> None:
    follower = CellFollower(raw, alive=lambda _: True)
    look = follower.take_sample()
    assert look.progress.in_flight == 12
    assert look.good_rps == pytest.approx(6 / RATE_OVER_S)
    assert look.failed_rps == pytest.approx(4 / RATE_OVER_S)
    assert look.failures == (("HTTP 504", 4),)
    assert look.threads == {"loop": 1, "anyio_worker": 40, "executor": 0, "other": 0}
    assert look.threads_peak == 41
    assert (look.pool_total, look.pool_borrowed, look.pool_waiting) == (40, 38, 2)
    assert look.heartbeat_age_ms == pytest.approx(1500)
    assert look.blocked_by == "app/x.py:3 fetch"
    assert follower.take_sample().failures == (("HTTP 504", 4),)  # nothing is counted twice


def test_a_worker_that_is_gone_counts_no_more(raw: Path) -> None:
    look = CellFollower(raw, alive=lambda _: False).take_sample()
    assert look.threads is None
    assert look.pool_borrowed == 0


def test_a_look_at_files_of_another_kind_is_none(raw: Path) -> None:
    (raw / "load-1.journal").write_bytes(FRAME.pack(b"r", 4) + b"rows")
    follower = CellFollower(raw)
    assert follower.try_sample() is not None  # only that file is left out
    (raw / "load-progress.json").write_text("{")
    assert follower.try_sample() is None


def test_of_a_visit_told_twice_the_row_that_knows_more_is_kept(tmp_path: Path) -> None:
    now_s = monotonic()
    whole, half = visit(1, now_s - 1.0, now_s - 0.5), visit(1, now_s - 1.0, float("nan"))
    path = tmp_path / "journals" / "probe-7-1.journal"
    write(path, {"h": HANDLERS, "s": SAMPLES}, h=[whole, half], s=[sample(now_s, 0.0)])
    follower = CellFollower(tmp_path, keeps_rows=True, alive=lambda _: True)
    follower.take_sample()
    rows = follower.handlers.rows
    assert rows is not None
    assert rows["ended_s"].to_list() == pytest.approx([now_s - 0.5])


def test_a_cell_that_has_written_nothing_yet_is_no_error(tmp_path: Path) -> None:
    look = CellFollower(tmp_path).take_sample()
    assert look.threads is None
    assert look.heartbeat_age_ms is None
    assert look.good_rps == 0


def test_the_page_is_told_state_counters_and_lanes(raw: Path) -> None:
    folder = raw.parents[2]
    write_state(folder, LiveState(number=1, of=2, cell="x.1", scenario="x", phase="window"))
    broadcast = LiveBroadcast(folder)
    assert broadcast.build_message()["lanes"] is None  # nothing watches: they would only cost CPU
    broadcast = LiveBroadcast(folder, _listeners={Event()})
    message = broadcast.build_message()
    assert json.loads(json.dumps(message, allow_nan=False))["state"]["scenario"] == "x"
    lanes = message["lanes"]
    assert isinstance(lanes, dict)
    (bar,) = (each for each in lanes["bars"] if lanes["words"][each[2]] == "/x")
    assert lanes["rows"][bar[0]].startswith("await")


def test_before_the_first_cell_there_is_a_state_and_no_look(tmp_path: Path) -> None:
    assert read_state(tmp_path) == LiveState()
    assert LiveBroadcast(tmp_path).build_message()["look"] is None


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=120)


@given(
    texts,
    st.integers(0, 10**6),
    st.floats(0, 10**6),
    st.integers(0, 10**5),
    st.lists(st.tuples(texts, st.integers(1, 10**7)), max_size=3),
)
def test_a_panel_is_never_wider_than_a_terminal(
    head: str, users: int, rate: float, pool: int, failures: list[tuple[str, int]]
) -> None:
    kinds = {"loop": 4, "anyio_worker": pool, "executor": users, "other": 1}
    look = LiveSample(
        0.0, LoadProgress(users=users, in_flight=users), rate, rate,
        tuple(failures), kinds, 2 * users,
        pool + 1, pool, users, 90_000.0, head,
    )  # fmt: skip
    assert all(len(line) <= WIDTH for line in render_panel(head, look).plain.splitlines())


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_a_bar_shows_something_where_there_is_something(value: int, most: int) -> None:
    bar = render_bar(value, most)
    assert ("█" in bar) is (value > 0)
    assert len(bar) == len(render_bar(0, 1))
