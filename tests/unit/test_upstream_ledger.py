"""The ledger: its sums are right for any order of events."""

from io import RawIOBase
from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slow_upstream.ledger import End, HeldRequest, RequestLog, UpstreamCounters, clean_request_id

ENDS: tuple[End, ...] = get_args(End)


class Clock:
    """A clock that only moves when the test moves it."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Paper(RawIOBase):
    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: object) -> int:
        assert isinstance(data, bytes)
        self.writes.append(data)
        return len(data)


class FullDisk(RawIOBase):
    def write(self, _: object) -> int:
        raise OSError(28, "No space left on device")


@given(st.lists(st.sampled_from(["arrive", "reject", *ENDS]), max_size=60))
def test_received_is_what_ended_and_what_has_not(
    events: list[Literal["arrive", "reject"] | End],
) -> None:
    counters, waiting, peak = UpstreamCounters(now_s=Clock()), list[HeldRequest](), 0
    for event in events:
        if event == "arrive":
            waiting.append(counters.record_arrival("", 5))
        elif event == "reject":
            counters.reject()
        elif waiting:
            counters.record_end(waiting.pop(0), event)
        peak = max(peak, len(waiting))
    stats = counters.take_snapshot()
    assert stats.received == events.count("arrive")
    assert stats.received == stats.served + stats.errors + stats.dropped + stats.in_flight
    assert stats.rejected == events.count("reject")
    assert (stats.in_flight, stats.in_flight_peak) == (len(waiting), peak)


def test_lateness_is_over_the_served_only() -> None:
    clock = Clock()
    counters = UpstreamCounters(now_s=clock)
    waits = [counters.record_arrival("", asked_ms) for asked_ms in (1000, 500, 100)]
    counters.record_end(waits[2], "dropped")
    clock.now_s += 0.502
    counters.record_end(waits[1], "200")
    clock.now_s += 0.499
    counters.record_end(waits[0], "200")
    stats = counters.take_snapshot()
    assert (stats.asked_ms_mean, stats.late_ms_mean, stats.late_ms_max) == (750, 1.5, 2)
    assert stats.uptime_s == 1.001


def test_means_of_nothing_are_unknown() -> None:
    counters = UpstreamCounters(now_s=Clock())
    counters.record_end(counters.record_arrival("", 5), "500")
    stats = counters.take_snapshot()
    assert (stats.asked_ms_mean, stats.late_ms_mean, stats.late_ms_max) == (None, None, None)


def test_the_log_has_a_line_for_every_end() -> None:
    clock, paper = Clock(), Paper()
    counters = UpstreamCounters(RequestLog(paper), clock)
    served, failed, dropped, _ = [counters.record_arrival(id_, 250) for id_ in ("a", "b", "", "d")]
    clock.now_s += 0.25
    counters.record_end(served, "200")
    counters.record_end(failed, "500")
    counters.record_end(dropped, "dropped")
    clock.now_s += 1
    counters.close()
    assert b"".join(paper.writes).decode() == (
        "request_id,at_s,asked_ms,waited_ms,status\n"
        "a,100.000000,250,250.000,200\n"
        "b,100.000000,250,250.000,500\n"
        ",100.000000,250,250.000,dropped\n"
        "d,100.000000,250,1250.000,held\n"
    )


def test_nothing_counts_after_the_close() -> None:
    paper = Paper()
    counters = UpstreamCounters(RequestLog(paper), Clock())
    held = counters.record_arrival("a", 1)
    counters.close()
    written = list(paper.writes)
    for end in ENDS:
        counters.record_end(held, end)
        counters.record_end(counters.record_arrival("late", 1), end)
    counters.flush()
    stats = counters.take_snapshot()
    assert (stats.received, stats.in_flight, stats.dropped) == (1, 1, 0)
    assert paper.writes == written


def test_a_full_disk_ends_the_log_and_not_the_waiting(capsys: pytest.CaptureFixture[str]) -> None:
    counters = UpstreamCounters(RequestLog(FullDisk()), Clock())
    for _ in range(3):
        counters.record_end(counters.record_arrival("", 1), "200")
        counters.flush()
    assert counters.take_snapshot().served == 3
    assert capsys.readouterr().err.count("stopped logging") == 1


@given(st.text(max_size=70))
def test_an_id_is_kept_whole_or_not_at_all(text: str) -> None:
    kept = clean_request_id(text)
    assert kept in ("", text)
    assert len(kept) <= 64
    assert kept.isascii()
    assert not set(kept) & set(', "\r\n;=')


@pytest.mark.parametrize("text", ["a" * 64, "run-1.user_7", "0"])
def test_ordinary_ids_are_kept(text: str) -> None:
    assert clean_request_id(text) == text
