"""The pictures of an audit's page: the time that they show, and nothing drawn outside them."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.findings import AuditEvidence, find_all
from analysis.findings.evidence import Stretch, StretchClocks
from analysis.findings.remedies import Predicted, RouteChange, RouteLevel, Tried
from analysis.measures.window import Window
from analysis.report.audit_page import draw_moments
from analysis.report.change_picture import draw_predicted, draw_tried
from analysis.report.finding_card import build_cards
from analysis.report.lanes import Scale, list_ticks
from analysis.report.moment_picture import (
    BLOCK,
    CULPRIT,
    FLIGHT,
    WAIT,
    WORK,
    MomentPicture,
    describe_request,
    draw_moment,
)
from analysis.report.moment_requests import MOST_REQUESTS
from analysis.report.moments import Moment, find_moment
from analysis.report.timeline import MOST_BARS
from tests.unit.audit_samples import PID, AuditBuilder, Row, endpoint, library
from tests.unit.finding_samples import SampleFinding
from tests.unit.handover_samples import wait
from tests.unit.test_pool_deadlock import Threads, lock_up
from tests.unit.test_waits_findings import answer, build, fill

SLEEP = [library("socket", "readinto")]


def build_blocked(victims: int = 3) -> AuditBuilder:
    """Three blocks in one place and one in another; requests wait for the second."""
    audit = AuditBuilder()
    for turn in range(3):
        audit.block(2.0 * turn, 0.25, [endpoint("build", 17, SLEEP)] * 5)
    audit.block(2.3, 0.1, [endpoint("pay", 47, SLEEP)] * 5, route="/pay")
    audit.ask("/report", 1.9, 2.26)
    audit.handlers[-1] |= {"visit": 2}
    for each in range(victims):
        audit.ask("/ping", 2.05 + each / 1000, 2.3)
    return audit


def draw(evidence: AuditEvidence) -> list[MomentPicture]:
    moments = (find_moment(each, evidence) for each in find_all(evidence).findings)
    return [draw_moment(each, evidence) for each in moments if each is not None]


def list_kinds(picture: MomentPicture, lane: str) -> list[list[str]]:
    (mine,) = [each for each in picture.lanes if lane in each.name]
    return [[bar.kind for bar in row.bars] for row in mine.rows]


def test_a_block_is_shown_where_others_wait_for_it() -> None:
    (picture, *_) = draw(build_blocked().build())
    moment = picture.moment
    assert (moment.finding.function, moment.peak) == ("build", Window(2.0, 2.25))
    assert (moment.shown.start_s, moment.shown.end_s) == (1.875, 2.5)
    assert list_kinds(picture, "event loop") == [[CULPRIT, BLOCK]]
    assert list_kinds(picture, "requests") == [[FLIGHT, CULPRIT], *[[FLIGHT]] * 3]
    (_, requests) = picture.lanes
    assert [row.label for row in requests.rows][:2] == ["/report: 360 ms", "/ping: 250 ms"]
    assert picture.band == (20.0, 40.0)
    assert picture.description == (
        "Seconds 1.9 to 2.5 of the audit. The event loop is blocked for 250 ms; 3 requests of "
        "other routes are in flight meanwhile."
    )
    assert picture.kinds[0] == (CULPRIT, "main.py:17 build blocks the event loop")


def test_each_finding_has_its_picture_once() -> None:
    evidence = build_blocked().build()
    cards = build_cards(find_all(evidence).findings)
    blocks = [each.number for each in cards if each.finding.code == "LOOP_BLOCKED"]
    moments = draw_moments(cards, evidence)
    assert list(moments) == blocks
    assert [each.is_typical for each in moments.values()] == [True, *[False] * (len(blocks) - 1)]
    twice = [cards[0], replace(cards[0], number=9)]
    assert draw_moments(twice, evidence)[9].number == 1


def test_background_work_that_waits_is_not_part_of_the_response() -> None:
    assert describe_request("/pay", 0.107, waits_later=True) == "/pay: answered after 107 ms"
    assert describe_request("/pay", 0.107, waits_later=False) == "/pay: 107 ms"


def test_of_many_requests_some_are_shown_and_all_are_counted() -> None:
    (picture, *_) = draw(build_blocked(victims=50).build())
    assert len(list_kinds(picture, "requests")) == MOST_REQUESTS
    assert "50 requests of other routes" in picture.description
    assert picture.description.endswith(f"{MOST_REQUESTS - 1} of which are shown.")


def test_a_block_without_requests_of_others_is_a_picture_too() -> None:
    (picture, *_) = draw(build_blocked(victims=0).build())
    assert "0 requests of other routes are in flight" in picture.description


def test_own_traffic_is_drawn_as_the_app_saw_it() -> None:
    audit = AuditBuilder()
    for turn in range(3):
        audit.block(2.0 * turn, 0.25, [endpoint("build", 17, SLEEP)] * 5)
        visit = turn + 1
        audit.handle("/report", visit=visit, arrived_s=2.0 * turn, sent_s=2.0 * turn + 0.25)
        audit.handle("/ping", visit=90 + turn, arrived_s=2.0 * turn + 0.1, sent_s=2.0 * turn + 0.3)
    (picture,) = draw(audit.build())
    assert list_kinds(picture, "requests") == [[FLIGHT, CULPRIT], [FLIGHT]]
    assert "1 request of other routes is in flight meanwhile" in picture.description


def build_full_pool() -> AuditEvidence:
    """One of four threads works for another route than the holder's."""
    rows = [dict(each, thread_id=place) for place, each in enumerate(fill())]
    rows[3] |= {"route": "/other", "work": "/srv/shop/main.py:70 mend"}
    waits: list[Row] = [wait(2.0, 1), wait(1.0, 2, at_s=2.0), wait(0.5, 3, at_s=2.5)]
    return build([*rows, *waits], [answer(visit, 0.5 * visit, 3.5) for visit in (1, 2, 3)])


def test_a_wait_is_shown_with_the_threads_and_those_who_wait_too() -> None:
    (picture, *_) = draw(build_full_pool())
    moment = picture.moment
    assert (moment.finding.code, moment.visit) == ("POOL_WAIT", 1)
    assert (moment.peak.start_s, moment.peak.end_s) == (1.0, 3.0)
    threads = [[CULPRIT], [CULPRIT], [CULPRIT], [WORK], [WORK, WORK, WORK]]
    assert list_kinds(picture, "5 threads") == threads
    assert list_kinds(picture, "requests") == [[FLIGHT, WAIT]] * 3
    assert picture.kinds[0] == (CULPRIT, "load() holds a thread")
    assert "A request waits for 2,000 ms; 3 requests wait for a thread meanwhile" in (
        picture.description
    )


@pytest.mark.parametrize(
    ("granted_s", "said"),
    [
        (
            3.0,
            "no thread is free for 1,000 ms of it, and for the rest a free one is passed on late "
            "by the event loop",
        ),
        (2.05, None),  # too short to mention
    ],
)
def test_a_wait_names_the_part_that_its_finding_counts(granted_s: float, said: str | None) -> None:
    """All threads are free from second 2 on; the blocked loop passes one on later."""
    rows = [*fill(ended_s=2.0), wait(granted_s - 1.0)]
    stretch = Stretch(PID, 1, 1.5, StretchClocks(2.0))
    evidence = replace(build(rows, [answer(1, 0.5, 3.5)]), stretches=(stretch,))
    (found,) = (each for each in find_all(evidence).findings if each.code == "POOL_WAIT")
    assert found.longest_ms == pytest.approx(1000.0)
    moment = find_moment(found, evidence)
    assert moment is not None
    shown = draw_moment(moment, evidence).description
    assert f"A request waits for {f'2,000 ms: {said}' if said else '1,000 ms'}; 1 request" in shown


def test_an_executors_thread_is_late_by_itself() -> None:
    """No loop passes a call to a thread of an executor."""
    rows = [*fill("executor", ended_s=2.0), wait(2.0, queue="executor")]
    evidence = build(rows, [answer(1, 0.5, 3.5)])
    (found,) = (each for each in find_all(evidence).findings if each.code == "EXECUTOR_WAIT")
    moment = find_moment(found, evidence)
    assert moment is not None
    said = "no thread is free for 1,000 ms of it, and for the rest a free one takes the work late"
    assert said in draw_moment(moment, evidence).description


def test_threads_with_very_many_calls_do_not_make_a_very_large_page() -> None:
    """Ten threads with 500 calls each: the picture shows as many as fit into 4,000 bars."""
    rows = [
        dict(each, thread_id=thread % 10, began_s=1.0 + thread / 1e5, granted_s=1.0, ended_s=3.0)
        for thread, each in enumerate(fill(threads=5_000))
    ]
    (picture, *_) = draw(build([*rows, wait(1.9, 1, capacity=5_000.0)], [answer(1, 0.5, 3.5)]))
    (lane,) = [each for each in picture.lanes if "threads" in each.name]
    assert sum(len(row.bars) for row in lane.rows) <= MOST_BARS
    assert lane.name == "10 threads, 8 of which are shown"


def test_a_deadlock_is_shown_for_as_long_as_it_lasts() -> None:
    evidence = lock_up(Threads()).build()
    stuck = [each for each in find_all(evidence).findings if each.code == "POOL_DEADLOCK"]
    (moment,) = (find_moment(each, evidence) for each in stuck)
    assert moment is not None
    assert moment.peak.length_s == stuck[0].lasted_s  # type: ignore[attr-defined]
    picture = draw_moment(moment, evidence)
    assert len(list_kinds(picture, "50 threads, 48 of which are shown")) == 48


def test_a_finding_without_a_moment_has_no_picture() -> None:
    sample = SampleFinding(severity="error", confidence="high")
    assert find_moment(sample, build_blocked().build()) is None


TIMES = st.floats(0.0, 10.0)


@settings(max_examples=30)
@given(st.lists(st.tuples(TIMES, TIMES), max_size=30), TIMES, st.floats(0.01, 5.0))
def test_nothing_is_drawn_outside_of_the_picture(
    requests: list[tuple[float, float]], began_s: float, length_s: float
) -> None:
    """For any requests, and any place of the blocks. Places are rounded to 0.01."""
    audit = AuditBuilder()
    for turn in range(3):
        audit.block(began_s + turn * length_s, length_s, [endpoint("build", 17, SLEEP)])
    for one_s, other_s in requests:
        audit.ask("/ping", min(one_s, other_s), max(one_s, other_s))
    peak = Window(began_s + length_s, began_s + 2 * length_s)
    finding = SampleFinding(severity="error", confidence="high", route="/report")
    moment = Moment(finding, PID, peak.widen(length_s / 2), peak, culprits=frozenset({2}))
    picture = draw_moment(moment, audit.build())
    for lane in picture.lanes:
        for row in lane.rows:
            assert all(0 <= bar.left <= bar.right <= 100.01 for bar in row.bars)
            assert all(bar.width >= 0 for bar in row.bars)
            assert 0 <= row.label_place <= 100.01
    assert list_kinds(picture, "event loop") == [[BLOCK, CULPRIT, BLOCK]]


@given(st.floats(0.001, 100.0), st.floats(0.0, 1.0))
def test_the_time_has_few_ticks_and_one_at_the_begin(length_s: float, part: float) -> None:
    scale = Scale(Window(5.0, 5.0 + length_s))
    ticks = list(list_ticks(scale, 5.0 + part * length_s))
    assert 1 <= len(ticks) <= 7
    assert [place for place, label in ticks if label == "0 ms"]
    assert ticks == sorted(ticks)


SLOW, FAST = RouteLevel("/ping", 10.0, 500.0, 900.0), RouteLevel("/ping", 100.0, 2.0, 9.0)
PAY, WORSE = RouteLevel("/pay", 10.0, 100.0, 200.0), RouteLevel("/pay", 8.0, 130.0, 200.0)


def test_what_is_predicted_and_what_is_measured_are_two_pictures() -> None:
    clear, unclear = (RouteChange("/ping", SLOW, FAST, 9.0, low, 20.0) for low in (3.0, 0.9))
    one = draw_predicted(Predicted(20, (SLOW, PAY), (FAST, WORSE)))
    slower = RouteChange("/pay", PAY, WORSE, 0.77, 0.7, 0.85)
    other = draw_tried(Tried("pool=100", 3, (clear, unclear, slower), worse=("/pay",)))
    assert one is not None
    assert other is not None
    assert (one.title, other.title) == ("20 users", "--try pool=100, 3 rounds each")
    assert [row.change for row in one.rows] == ["better", "worse"]
    assert [row.change for row in other.rows] == ["better", "same", "worse"]
    assert one.rows[0].label == "/ping: median from 500 ms to 2.0 ms"
    assert list(one.table.rows[0].cells) == [10.0, 100.0, 500.0, 2.0, 900.0, 9.0]
    for (p50, _), (p99, _) in (row.marks for row in one.rows):
        assert 0 <= p50 < p99 <= 100


def test_what_is_not_known_is_not_drawn() -> None:
    assert draw_predicted(Predicted(20, reason="unknown")) is None
    assert draw_tried(Tried("pool=100", reason="it fails")) is None
    unknown = replace(FAST, p99_ms=None)
    picture = draw_predicted(Predicted(20, (SLOW,), (unknown,)))
    assert picture is not None
    assert [len(row.marks) for row in picture.rows] == [1]


LATENCIES = st.floats(0.0, 1e6)


@given(LATENCIES, LATENCIES, LATENCIES, LATENCIES)
def test_any_latency_has_its_place_on_the_scale(a: float, b: float, c: float, d: float) -> None:
    before, after = RouteLevel("/x", 1.0, a, b), RouteLevel("/x", 1.0, c, d)
    picture = draw_predicted(Predicted(1, (before,), (after,)))
    assert picture is not None
    marks = [place for mark in picture.rows[0].marks for place in mark]
    assert all(0 <= place <= 100 for place in marks)
    assert (marks[0] < marks[1]) <= (a < c)
    assert len(picture.ticks) <= 7
