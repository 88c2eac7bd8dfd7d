"""The books: whatever happens, in whatever order, they add up."""

from io import RawIOBase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slow_upstream.ledger import HeldRequest, RequestLog, UpstreamCounters, clean_request_id


class Clock:
    """Seconds that pass only when told to."""

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


@given(st.lists(st.sampled_from(["arrive", "serve", "fail", "drop", "reject"]), max_size=60))
def test_received_is_what_ended_and_what_has_not(events: list[str]) -> None:
    ledger, waiting, peak = UpstreamCounters(now_s=Clock()), list[HeldRequest](), 0
    for event in events:
        if event == "arrive":
            waiting.append(ledger.record_arrival("", 5))
        elif event == "reject":
            ledger.reject()
        elif waiting:
            getattr(ledger, event)(waiting.pop(0))
        peak = max(peak, len(waiting))
    stats = ledger.take_snapshot()
    assert stats.received == events.count("arrive")
    assert stats.received == stats.served + stats.errors + stats.dropped + stats.in_flight
    assert stats.rejected == events.count("reject")
    assert (stats.in_flight, stats.in_flight_peak) == (len(waiting), peak)


def test_lateness_is_over_the_served_only() -> None:
    clock = Clock()
    ledger = UpstreamCounters(now_s=clock)
    waits = [ledger.record_arrival("", asked_ms) for asked_ms in (1000, 500, 100)]
    ledger.drop(waits[2])
    clock.now_s += 0.502
    ledger.serve(waits[1])
    clock.now_s += 0.499
    ledger.serve(waits[0])
    stats = ledger.take_snapshot()
    assert (stats.asked_ms_mean, stats.late_ms_mean, stats.late_ms_max) == (750, 1.5, 2)
    assert stats.uptime_s == 1.001


def test_means_of_nothing_are_unknown() -> None:
    ledger = UpstreamCounters(now_s=Clock())
    ledger.fail(ledger.record_arrival("", 5))
    stats = ledger.take_snapshot()
    assert (stats.asked_ms_mean, stats.late_ms_mean, stats.late_ms_max) == (None, None, None)


def test_the_log_has_a_line_for_every_end() -> None:
    clock, paper = Clock(), Paper()
    ledger = UpstreamCounters(RequestLog(paper), clock)
    served, failed, dropped, _ = [ledger.record_arrival(id_, 250) for id_ in ("a", "b", "", "d")]
    clock.now_s += 0.25
    ledger.serve(served)
    ledger.fail(failed)
    ledger.drop(dropped)
    clock.now_s += 1
    ledger.close()
    assert b"".join(paper.writes).decode() == (
        "request_id,at_s,asked_ms,waited_ms,status\n"
        "a,100.000000,250,250.000,200\n"
        "b,100.000000,250,250.000,500\n"
        ",100.000000,250,250.000,dropped\n"
        "d,100.000000,250,1250.000,held\n"
    )


def test_nothing_counts_after_the_close() -> None:
    paper = Paper()
    ledger = UpstreamCounters(RequestLog(paper), Clock())
    held = ledger.record_arrival("a", 1)
    ledger.close()
    written = list(paper.writes)
    for end in (ledger.serve, ledger.fail, ledger.drop):
        end(held)
        end(ledger.record_arrival("late", 1))
    ledger.flush()
    stats = ledger.take_snapshot()
    assert (stats.received, stats.in_flight, stats.dropped) == (1, 1, 0)
    assert paper.writes == written


def test_a_full_disk_ends_the_log_and_not_the_waiting(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = UpstreamCounters(RequestLog(FullDisk()), Clock())
    for _ in range(3):
        ledger.serve(ledger.record_arrival("", 1))
        ledger.flush()
    assert ledger.take_snapshot().served == 3
    assert capsys.readouterr().err.count("the log ends here") == 1


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
