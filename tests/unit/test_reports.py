from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.ledger import Counts
from stress.reports import DOUBTFUL_LOOKS, SILENT_LOOKS, Report, Reports

BUSY = Counts(users=10, warm=8, sent=100, completed=90, failed=2, in_flight=10)


def report(counts: Counts = BUSY, ramp_ended_ago_s: float | None = None) -> Report:
    ramp_end_s = None if ramp_ended_ago_s is None else 50.0 - ramp_ended_ago_s
    return Report.of(b"", counts, ramp_end_s, 50.0)


def two() -> Reports:
    reports = Reports()
    reports.expect(2)
    return reports


def silent(reports: Reports, looks: int) -> Reports:
    for _ in range(looks):
        reports.look()
    return reports


def test_the_sums_are_over_all_that_reported() -> None:
    reports = two()
    reports.hear(0, report(), 1.0)
    reports.hear(1, report(replace(BUSY, users=5, failed=1)), 1.0)
    progress = reports.progress()
    assert (progress.users, progress.sent, progress.failed, progress.in_flight) == (15, 200, 3, 20)
    assert (progress.processes, progress.lost) == (2, 0)


def test_a_report_that_comes_again_replaces_the_one_before() -> None:
    reports = two()
    reports.hear(0, report(), 1.0)
    reports.hear(0, report(replace(BUSY, sent=130)), 1.25)
    assert reports.progress().sent == 130


def test_what_a_lost_process_had_open_is_not_waited_for_and_its_sums_stay() -> None:
    reports = two()
    reports.hear(0, report(), 1.0)
    reports.hear(1, report(), 1.0)
    for _ in range(SILENT_LOOKS + 1):
        reports.look()
        reports.hear(0, report(), 2.0)
    progress = reports.progress()
    assert (progress.lost, progress.in_flight, progress.sent) == (1, 10, 200)


def test_a_late_word_makes_it_found_again() -> None:
    reports = silent(two(), SILENT_LOOKS + 1)
    assert reports.lost() == {0, 1}
    reports.hear(1, report(), 9.0)
    assert reports.lost() == {0}


def test_one_that_never_said_a_word_is_lost_too() -> None:
    assert silent(two(), SILENT_LOOKS).progress().lost == 0
    assert silent(two(), SILENT_LOOKS + 1).progress().lost == 2


def test_one_that_was_ended_is_lost_at_once_and_for_good() -> None:
    reports = two()
    reports.hear(0, report(), 1.0)
    reports.leave(0)
    reports.hear(0, report(), 1.1)
    assert reports.lost() == {0}


def test_one_in_doubt_is_waited_for_and_at_the_end_lost() -> None:
    reports = silent(two(), DOUBTFUL_LOOKS)
    reports.hear(0, report(), 1.0)
    assert reports.all_heard()
    reports.look()
    assert not reports.all_heard()
    assert reports.lost() == frozenset()
    reports.close()
    assert reports.lost() == {1}
    assert reports.all_heard()


def test_the_ramp_has_ended_when_it_has_for_all_that_live() -> None:
    reports = two()
    reports.hear(0, report(ramp_ended_ago_s=0.5), 10.0)
    assert reports.progress().ramp_end_s is None
    reports.hear(1, report(ramp_ended_ago_s=0.25), 10.0)
    assert reports.progress().ramp_end_s == 9.75
    reports.hear(1, report(ramp_ended_ago_s=0.75), 10.6)  # told again, a little later on the way
    assert reports.progress().ramp_end_s == 9.75


def test_the_ramp_of_a_lost_process_is_not_waited_for() -> None:
    reports = two()
    reports.hear(0, report(ramp_ended_ago_s=0.5), 10.0)
    reports.leave(1)
    assert reports.progress().ramp_end_s == 9.5
    reports.leave(0)
    assert reports.progress().ramp_end_s is None


@given(st.lists(st.tuples(st.sampled_from(["look", "hear"]), st.integers(0, 3)), max_size=80))
def test_a_process_is_lost_exactly_while_it_is_silent(events: list[tuple[str, int]]) -> None:
    reports, looks_since = Reports(), dict.fromkeys(range(4), 0)
    reports.expect(4)
    for what, process in events:
        if what == "look":
            reports.look()
            looks_since = {key: looks + 1 for key, looks in looks_since.items()}
        else:
            reports.hear(process, report(), 1.0)
            looks_since[process] = 0
    expected = {key for key, looks in looks_since.items() if looks > SILENT_LOOKS}
    assert reports.lost() == expected
    assert reports.progress().lost == len(expected)


@pytest.mark.parametrize("ago_s", [None, 0.0, 12.5])
def test_a_report_holds_no_moment_of_its_own_clock(ago_s: float | None) -> None:
    ramp_end_s = None if ago_s is None else 9000.0 - ago_s
    assert Report.of(b"x", BUSY, ramp_end_s, 9000.0).ramp_ended_ago_s == ago_s
