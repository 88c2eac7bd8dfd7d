"""For any delays of the network, the true offset lies within the uncertainty."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.build_tables import build_requests_table
from records.clocks import ClockModel, ClockSample, estimate_clocks
from records.journal import Journal, JournalWriter, decode_journal
from records.rows import SENT

FLOAT_S = 1e-6
"""Clocks of up to 10⁵ s hold 1e-11 s; a line drawn through two of them loses some more digits."""

trips = st.lists(
    st.tuples(
        st.floats(0.01, 2.0),  # the pause before it
        st.floats(0.0, 0.5),  # how long it takes
        st.floats(0.0, 1.0),  # how much of that on the way there
    ),
    min_size=1,
    max_size=60,
)
offsets = st.floats(-1e5, 1e5)
drifts = st.floats(-1e-3, 1e-3)
"""A quartz is off by 1e-5 to 1e-4; while it is adjusted, by at most 5e-4."""


def their_clock(our_s: float, offset_s: float, drift: float) -> float:
    return our_s + offset_s + drift * our_s


def samples_of(
    made: Sequence[tuple[float, float, float]], offset_s: float, drift: float
) -> list[ClockSample]:
    found, now_s = [], 0.0
    for pause_s, takes_s, there in made:
        now_s += pause_s
        read_s = now_s + there * takes_s
        back_s = now_s + takes_s
        found.append(ClockSample(3, now_s, back_s, their_clock(read_s, offset_s, drift)))
        now_s = back_s
    return found


@given(trips, offsets, drifts, st.floats(0.0, 1.0))
def test_the_true_offset_lies_within_the_uncertainty(
    made: list[tuple[float, float, float]], offset_s: float, drift: float, where: float
) -> None:
    samples = samples_of(made, offset_s, drift)
    (clock,) = estimate_clocks(samples)
    first_s, last_s = samples[0].theirs_s, samples[-1].theirs_s
    their_s = first_s + where * (last_s - first_s)
    our_s = (their_s - offset_s) / (1 + drift)
    truth_s = their_s - our_s
    assert abs(clock.compute_offset_s(their_s) - truth_s) <= clock.uncertainty_s + FLOAT_S


@given(trips, offsets)
def test_a_clock_that_only_differs_is_known_to_the_quickest_trips(
    made: list[tuple[float, float, float]], offset_s: float
) -> None:
    samples = samples_of(made, offset_s, 0.0)
    (clock,) = estimate_clocks(samples)
    quickest_s = min(sample.round_trip_s for sample in samples)
    assert clock.uncertainty_s >= quickest_s / 2 - FLOAT_S
    assert clock.samples == len(samples)


def test_a_symmetric_trip_tells_the_offset_exactly() -> None:
    trip_s = 1 / 128  # a power of two: floats represent these times exactly
    samples = [ClockSample(0, at_s, at_s + trip_s, at_s + trip_s / 2 + 5000.0) for at_s in range(9)]
    (clock,) = estimate_clocks(samples)
    assert clock.compute_offset_s(5003.0) == 5000.0
    assert clock.uncertainty_s == trip_s / 2


def test_the_quickest_trip_of_each_end_holds_the_line() -> None:
    samples = [
        ClockSample(0, at_s, at_s + takes_s, at_s + 7.0)
        for at_s, takes_s in [(0, 0.4), (1, 0.01), (2, 0.4), (3, 0.4), (4, 0.02), (5, 0.4)]
    ]
    (clock,) = estimate_clocks(samples)
    assert (clock.first_at_s, clock.last_at_s) == (8.0, 11.0)
    # Half of 0.02 s between the two; a third of the distance beyond them it may be 2/3 more.
    assert clock.uncertainty_s == pytest.approx(0.01 * (1 + 2 / 3))


def test_a_clock_that_was_set_in_between_is_known_badly() -> None:
    steady = [ClockSample(0, at_s, at_s + 0.001, at_s + 0.0005) for at_s in range(20)]
    stepped = [
        ClockSample(0, at_s, at_s + 0.001, at_s + 0.0005 + (1.0 if 8 <= at_s < 12 else 0.0))
        for at_s in range(20)
    ]
    assert estimate_clocks(steady)[0].uncertainty_s < 0.002
    assert estimate_clocks(stepped)[0].uncertainty_s > 0.99


def test_each_process_has_a_clock() -> None:
    samples = [
        ClockSample(process, at_s, at_s + 0.002, at_s + 0.001 + 10.0 * process)
        for at_s in range(6)
        for process in (2, 0)
    ]
    found = estimate_clocks(samples)
    assert [clock.process for clock in found] == [0, 2]
    assert [clock.first_offset_s for clock in found] == pytest.approx([0.0, 20.0])
    assert estimate_clocks([]) == ()


def journal_of(process: int, started_s: float, ended_s: float) -> Journal:
    content = bytearray()
    writer = JournalWriter(content.extend, {"r": SENT}, {"process": process})
    writer.write("r", [(0, 1 + process, started_s, started_s, ended_s, 200, None, 4)])
    return decode_journal(bytes(content))


@given(offsets, drifts)
def test_rows_come_out_on_our_clock(offset_s: float, drift: float) -> None:
    def theirs(our_s: float) -> float:
        return their_clock(our_s, offset_s, drift)

    clock = ClockModel(
        1, theirs(100.0), theirs(100.0) - 100.0, theirs(200.0), theirs(200.0) - 200.0,
                  0.001, 9)  # fmt: skip
    ours, others = journal_of(0, 150.0, 151.0), journal_of(1, theirs(150.0), theirs(151.0))
    rows = build_requests_table("c", [ours, others], 100.0, {1: clock})
    assert rows["process"].sort().to_list() == [0, 1]
    # A drift of 1e-3 over what separates a moment by their clock from the same by ours.
    assert rows["started_s"].to_list() == pytest.approx([50.0, 50.0], abs=FLOAT_S)
    assert rows["ended_s"].to_list() == pytest.approx([51.0, 51.0], abs=FLOAT_S)
