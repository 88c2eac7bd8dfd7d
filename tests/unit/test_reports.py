from dataclasses import asdict, replace

from hypothesis import given
from hypothesis import strategies as st

from stress.load.protocol import (
    DOUBTFUL_LOOKS,
    SILENT_LOOKS,
    STARTING_LOOKS,
    LoadCounts,
    LoadReport,
    LoadReports,
)

BUSY = LoadCounts(users=10, warm=8, sent=100, completed=90, failed=2, in_flight=10)


def report(counts: LoadCounts = BUSY, ramp_ended_ago_s: float | None = None) -> LoadReport:
    return LoadReport(**asdict(counts), ramp_ended_ago_s=ramp_ended_ago_s)


def two() -> LoadReports:
    reports = LoadReports()
    reports.expect_processes(2)
    return reports


def silent(reports: LoadReports, looks: int) -> LoadReports:
    for _ in range(looks):
        reports.count_silent_beat()
    return reports


def test_the_sums_are_over_all_that_reported() -> None:
    reports = two()
    reports.record_report(0, report(), 1.0)
    reports.record_report(1, report(replace(BUSY, users=5, failed=1)), 1.0)
    progress = reports.sum_progress()
    assert (progress.users, progress.sent, progress.failed, progress.in_flight) == (15, 200, 3, 20)
    assert (progress.processes, progress.lost) == (2, 0)


def test_a_report_that_comes_again_replaces_the_one_before() -> None:
    reports = two()
    reports.record_report(0, report(), 1.0)
    reports.record_report(0, report(replace(BUSY, sent=130)), 1.25)
    assert reports.sum_progress().sent == 130


def test_what_a_lost_process_had_open_is_not_waited_for_and_its_sums_stay() -> None:
    reports = two()
    reports.record_report(0, report(), 1.0)
    reports.record_report(1, report(), 1.0)
    for _ in range(SILENT_LOOKS + 1):
        reports.count_silent_beat()
        reports.record_report(0, report(), 2.0)
    progress = reports.sum_progress()
    assert (progress.lost, progress.in_flight, progress.sent) == (1, 10, 200)


def test_a_late_word_makes_it_found_again() -> None:
    reports = silent(two(), STARTING_LOOKS + SILENT_LOOKS + 1)
    assert reports.find_lost() == {0, 1}
    reports.record_report(1, report(), 9.0)
    assert reports.find_lost() == {0}


def test_one_that_never_said_a_word_is_lost_too() -> None:
    assert silent(two(), STARTING_LOOKS + SILENT_LOOKS).sum_progress().lost == 0
    assert silent(two(), STARTING_LOOKS + SILENT_LOOKS + 1).sum_progress().lost == 2


def test_one_that_was_ended_is_lost_at_once_and_for_good() -> None:
    reports = two()
    reports.record_report(0, report(), 1.0)
    reports.record_departure(0)
    reports.record_report(0, report(), 1.1)
    assert reports.find_lost() == {0}


def test_one_in_doubt_is_waited_for_and_at_the_end_lost() -> None:
    reports = two()
    reports.record_report(1, report(), 0.5)
    silent(reports, DOUBTFUL_LOOKS).record_report(0, report(), 1.0)
    assert reports.has_heard_all()
    reports.count_silent_beat()
    assert not reports.has_heard_all()
    assert reports.find_lost() == frozenset()
    reports.mark_silent_as_lost()
    assert reports.find_lost() == {1}
    assert reports.has_heard_all()


def test_the_ramp_has_ended_when_it_has_for_all_that_live() -> None:
    reports = two()
    reports.record_report(0, report(ramp_ended_ago_s=0.5), 10.0)
    assert reports.sum_progress().ramp_end_s is None
    reports.record_report(1, report(ramp_ended_ago_s=0.25), 10.0)
    assert reports.sum_progress().ramp_end_s == 9.75
    reports.record_report(
        1, report(ramp_ended_ago_s=0.75), 10.6
    )  # written again a little later in the run
    assert reports.sum_progress().ramp_end_s == 9.75


def test_the_ramp_of_a_lost_process_is_not_waited_for() -> None:
    reports = two()
    reports.record_report(0, report(ramp_ended_ago_s=0.5), 10.0)
    reports.record_departure(1)
    assert reports.sum_progress().ramp_end_s == 9.5
    reports.record_departure(0)
    assert reports.sum_progress().ramp_end_s is None


@given(st.lists(st.tuples(st.sampled_from(["look", "hear"]), st.integers(0, 3)), max_size=300))
def test_a_process_is_lost_exactly_while_it_is_silent(events: list[tuple[str, int]]) -> None:
    reports, looks_since = LoadReports(), dict.fromkeys(range(4), -STARTING_LOOKS)
    reports.expect_processes(4)
    for what, process in events:
        if what == "look":
            reports.count_silent_beat()
            looks_since = {key: looks + 1 for key, looks in looks_since.items()}
        else:
            reports.record_report(process, report(), 1.0)
            looks_since[process] = 0
    expected = {key for key, looks in looks_since.items() if looks > SILENT_LOOKS}
    assert reports.find_lost() == expected
    assert reports.sum_progress().lost == len(expected)
