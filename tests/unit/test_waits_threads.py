"""The findings THREADS_PINNED and TRIVIAL_DEF, from handmade records."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings.waits.threads_pinned import ThreadsPinned
from analysis.findings.waits.trivial_def import MIN_CALLS, TrivialDef
from tests.unit.audit_samples import FOLDER, AuditBuilder, Row, find_kind, own
from tests.unit.handover_samples import (
    APP,
    BACKGROUND,
    CHUNK,
    DEPENDENCY,
    ENDPOINT,
    TEARDOWN,
    TO_THREAD,
    build_evidence,
    make_handover,
    wait,
)


def stream(visit: int, chunks: int = 8, capacity: float = 4.0, **columns: object) -> list[Row]:
    """Chunks of 0.9 s each, one per second."""
    return [
        make_handover(
            **{
                "visit": visit, "route": "/feed", "work": f"{FOLDER}/main.py:80 feed",
                "asker": json.dumps(CHUNK), "capacity": capacity, "asked_s": float(turn),
                "granted_s": float(turn), "began_s": float(turn), "ended_s": turn + 0.9, **columns,
            }
        )
        for turn in range(chunks)
    ]  # fmt: skip


def keep(seconds: float, **columns: object) -> Row:
    """A background task, from second 1 on."""
    return make_handover(
        **{
            "route": "/mail", "work": f"{FOLDER}/main.py:90 mail", "capacity": 4.0,
            "asker": json.dumps(BACKGROUND), "ended_s": 1.0 + seconds, **columns,
        }
    )  # fmt: skip


def find_pins(rows: Sequence[Row]) -> list[ThreadsPinned]:
    return list(find_kind(ThreadsPinned, build_evidence(rows)))


def test_streams_that_keep_all_threads_are_found_with_who_lost_what() -> None:
    rows = [row for visit in range(1, 5) for row in stream(visit)]
    rows += [wait(0.8, visit=10 + turn, at_s=turn + 0.1) for turn in range(5)]
    (found,) = find_pins(rows)
    assert (found.code, found.cause, found.route, found.phase) == (
        "THREADS_PINNED", "pool", "/feed", "stream",
    )  # fmt: skip
    assert (found.file, found.line, found.function) == ("main.py", 80, "feed")
    assert (found.count, round(found.seconds or 0, 6)) == (4, 4 * 8 * 0.9)
    assert (round(found.longest_ms or 0), round(found.share or 0, 6)) == (7200, 1.0)
    assert found.victims is not None
    (victim,) = found.victims
    assert (victim.route, victim.requests, round(victim.seconds, 6)) == ("/quick", 5, 4.0)
    assert (found.severity, found.confidence) == ("warning", "high")
    assert (
        "The stream feed() holds threads of anyio's pool for up to 7.2 s per request."
        in found.message
    )
    assert "5 requests to other routes lost 4.0 s in total." in found.message


def test_a_background_task_answers_for_its_own_tokens_alone() -> None:
    """It holds one token of four for ten seconds; slow endpoints hold the others."""
    slow = [make_handover(visit=20 + turn, capacity=4.0, ended_s=9.0) for turn in range(3)]
    (found,) = find_pins([keep(9.0), *slow, wait(4.0, visit=9)])
    assert (found.phase, found.function, found.line) == ("background", "mail", 90)
    assert found.victims is not None
    assert [each.seconds for each in found.victims] == [1.0]
    assert found.severity == "error"
    assert "move it to a job queue" in found.message


def test_half_of_a_pool_for_long_is_found_before_anybody_waits() -> None:
    rows = [row for visit in (1, 2) for row in stream(visit)]
    (found,) = find_pins(rows)
    assert (found.severity, found.victims) == ("warning", ())
    assert "they hold 2.0 of 4 on average" in found.message


@pytest.mark.parametrize(
    "rows",
    [
        [row for visit in range(1, 41) for row in stream(visit, capacity=400.0)],  # a large pool
        [row for visit in range(1, 5) for row in stream(visit, chunks=2)],  # they end soon
        [keep(9.0, capacity=40.0)],  # no request waits, and most tokens are free
        [keep(9.0, queue="executor worker", capacity=1.0)],  # a thread of its own, as intended
        [keep(9.0, queue="limiter 1", capacity=1.0)],
        [keep(9.0, asker=json.dumps(ENDPOINT), capacity=1.0)],  # an endpoint is only slow
        [keep(9.0, queue="limiter 1"), wait(4.0, visit=9)],  # calls wait in another queue
        [keep(1.0), wait(0.9, visit=9)],
    ],
)
def test_what_is_meant_or_hurts_nobody_is_innocent(rows: Sequence[Row]) -> None:
    assert find_pins(rows) == []


def test_a_queue_of_its_own_is_found_where_others_wait() -> None:
    rows = [
        keep(9.0, queue="limiter 1", capacity=1.0),
        wait(4.0, visit=9, queue="limiter 1", capacity=1.0),
    ]
    (found,) = find_pins(rows)
    assert (found.cause, found.victims and found.victims[0].seconds) == ("limiter", 4.0)


def test_a_client_that_has_left_loses_nothing_more() -> None:
    """Its request waits for 8 s; it gave up after 2, and would have had its response in 0.5 s."""
    rows = [keep(9.0, capacity=1.0), wait(8.0, visit=9, capacity=1.0)]
    audit = AuditBuilder()
    audit.ask("/quick", 0.9, 3.0)
    audit.ask("/quick", 0.2, 0.7)
    audit.handlers[0]["visit"] = 9
    asked = audit.build()
    evidence = build_evidence(rows, asked=asked.asked, handlers=asked.handlers)
    (found,) = ThreadsPinned.find(evidence).findings
    assert found.victims is not None
    (victim,) = found.victims
    assert round(victim.seconds, 6) == 2.1 - 0.5


LENGTHS = st.lists(st.integers(1, 80), min_size=1, max_size=4)


@given(LENGTHS, st.lists(st.integers(1, 80), min_size=1, max_size=5))
def test_nobody_lost_more_to_all_places_than_it_waited(
    kept: Sequence[int], waits: Sequence[int]
) -> None:
    rows = [
        keep(each / 10, visit=place, route=f"/{place}", work=f"{FOLDER}/main.py:{place}0 mail")
        for place, each in enumerate(kept, start=1)
    ]
    rows += [wait(each / 10, visit=50 + place) for place, each in enumerate(waits)]
    found = find_pins(rows)
    assert sum(each.taken_s for each in found) <= sum(waits) / 10 + 1e-9
    assert sum(each.seconds or 0.0 for each in found) <= sum(kept) / 10 + 1e-9
    for each in found:
        assert each.share is not None
        assert 0 < each.share <= 1


def call(turn: int, **columns: object) -> Row:
    """A dependency that takes 20 µs, and reaches its thread after 0.25 ms."""
    at_s = 1.0 + turn / 100
    began_s = at_s + 0.00025
    return make_handover(
        **{
            "visit": turn + 1, "asker": json.dumps(DEPENDENCY), "asked_s": at_s,
            "granted_s": at_s, "began_s": began_s, "ended_s": began_s + 3e-5, "cpu_s": 2e-5,
            **columns,
        }
    )  # fmt: skip


def find_trivial(rows: Sequence[Row]) -> list[TrivialDef]:
    return list(find_kind(TrivialDef, build_evidence(rows)))


def test_a_trivial_dependency_is_found_with_what_its_hop_costs() -> None:
    (found,) = find_trivial([call(turn) for turn in range(MIN_CALLS)])
    assert (found.code, found.route, found.phase) == ("TRIVIAL_DEF", "/a", "dependency")
    assert (found.file, found.line, found.function) == ("main.py", 10, "load")
    assert (found.severity, found.count) == ("info", MIN_CALLS)
    assert round(found.median_ms or 0, 6) == 0.25
    assert round(found.seconds or 0, 6) == 0.005
    assert found.message == (
        "The dependency load() uses 20.0 µs of CPU in a thread (median); moving the call to "
        "the thread takes 250 µs, not counting blocks of the event loop. Declare it `async def`, "
        "so that it runs on the event loop, unless it waits for a file, a lock or the network."
    )


def test_it_is_a_warning_where_its_calls_wait_for_threads() -> None:
    late = [call(turn, queued_s=1 + turn / 100, granted_s=1.5 + turn / 100) for turn in range(3)]
    late = [{**each, "began_s": 1.5, "ended_s": 1.50001} for each in late]
    (found,) = find_trivial([*(call(turn) for turn in range(MIN_CALLS)), *late])
    assert (found.severity, round(found.waited_s, 6)) == ("warning", 1.5)
    assert "Its calls waited 1.5 s for a thread in total." in found.message


def test_a_block_of_the_loop_is_no_cost_of_the_hop() -> None:
    """The endpoint blocks the loop before the next request's dependency reaches its thread."""
    audit = AuditBuilder()
    audit.block(0.5, 100.0, [])
    late = [call(turn, began_s=2.0, ended_s=2.00003) for turn in range(MIN_CALLS)]
    rows = build_evidence(late)
    (found,) = find_kind(TrivialDef, replace(rows, stretches=audit.build().stretches))
    assert (found.median_ms, found.seconds) == (0.0, 0.0)


def test_a_dependency_that_closes_something_is_trivial_only_if_that_is_too() -> None:
    begun = [call(turn) for turn in range(MIN_CALLS)]
    ends = {"asker": json.dumps(TEARDOWN), "work": begun[0]["work"], "queue": "limiter 1"}
    quick = [call(turn, **ends) for turn in range(MIN_CALLS)]
    slow = [call(turn, **ends, ended_s=3.0) for turn in range(MIN_CALLS)]
    (found,) = find_trivial([*begun, *quick])
    assert (found.phase, found.count) == ("dependency", MIN_CALLS)
    assert find_trivial([*begun, *slow]) == []
    (found,) = find_trivial([*begun, *quick[1:], slow[0], *[call(0, **ends)] * MIN_CALLS])
    assert "Its longest call took 2,000 ms" in found.message
    assert find_trivial(quick) == []  # its own work is not known


def test_one_function_of_several_routes_is_one_finding() -> None:
    rows = [call(turn, route=f"/{turn % 2}") for turn in range(MIN_CALLS)]
    (found,) = find_trivial(rows)
    assert (found.route, found.count) == (None, MIN_CALLS)


def test_a_constructor_cannot_be_async() -> None:
    work = f"{FOLDER}/main.py:10 Page.__init__"
    (found,) = find_trivial([call(turn, work=work) for turn in range(MIN_CALLS)])
    assert "Create the object in an `async def` dependency" in found.message


@pytest.mark.parametrize(
    "columns",
    [
        {"cpu_s": 1e-4},
        {"ended_s": 99.0},
        {"cpu_s": None},
        {"failed": True},
        {"ended_s": None},
        {"queue": "executor"},
        {"asker": json.dumps(BACKGROUND)},
        {"asker": json.dumps([*TO_THREAD, own("put", 31), *APP])},  # the user requests a thread
        {"work": "time.sleep"},
    ],
)
def test_what_does_something_or_is_meant_is_innocent(columns: dict[str, object]) -> None:
    assert find_trivial([call(turn, **columns) for turn in range(MIN_CALLS)]) == []


def test_what_is_seldom_seen_or_works_now_and_then_is_innocent() -> None:
    assert find_trivial([call(turn) for turn in range(MIN_CALLS - 1)]) == []
    misses = [call(turn, ended_s=1 + turn / 100 + 0.01) for turn in range(90, 96)]
    assert find_trivial([*(call(turn) for turn in range(80)), *misses]) == []
    (found,) = find_trivial([*(call(turn) for turn in range(80)), {**misses[0], "ended_s": 2.0}])
    assert "first make sure that it never waits" in found.message
