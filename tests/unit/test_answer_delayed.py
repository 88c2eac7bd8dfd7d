"""The finding ANSWER_DELAYED, from handmade records of layers."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from analysis.findings import AuditEvidence
from analysis.findings.layers.answer_delayed import AnswerDelayed
from records.rows import HANDOVERS, LAYERS, PROBE
from tests.unit.audit_samples import PID, AuditBuilder, find_kind, make_table
from tests.unit.layer_samples import LIBRARY, TIMING, Row, keep_answer, keep_request, pass_through


def build(rows: Sequence[Row], **tables: object) -> AuditEvidence:
    return replace(AuditBuilder().build(), layers=make_table(rows, LAYERS), **tables)  # type: ignore[arg-type]


def judge(rows: Sequence[Row]) -> tuple[AnswerDelayed, ...]:
    return find_kind(AnswerDelayed, build(rows))


@pytest.mark.parametrize(("keep", "cause"), [(keep_request, "request"), (keep_answer, "answer")])
def test_a_layer_that_waits_is_named_with_its_line_and_seconds(keep: object, cause: str) -> None:
    assert callable(keep)
    rows = [row for visit in range(10) for row in keep(visit + 1, float(visit), 0.3)]
    (found,) = judge(rows)
    assert (found.code, found.cause, found.route, found.phase) == (
        "ANSWER_DELAYED", cause, "/items", "middleware",
    )  # fmt: skip
    assert (found.file, found.line, found.function) == ("timing.py", 12, "add_timing")
    assert (found.count, found.severity) == (10, "warning")
    assert found.seconds == pytest.approx(3.0)
    assert found.median_ms == pytest.approx(found.longest_ms) == pytest.approx(300)
    assert "300 ms (median of 10 requests)" in found.message


@pytest.mark.parametrize(("took_s", "severity"), [(0.5, "warning"), (1.0, "info")])
def test_a_delay_that_is_a_tenth_of_the_route_s_time_is_a_warning(
    took_s: float, severity: str
) -> None:
    rows = [row for visit in range(10) for row in keep_answer(visit + 1, float(visit), 0.08)]
    audit = AuditBuilder()
    for visit in range(10):
        audit.handle("/items", visit=visit + 1, arrived_s=float(visit), sent_s=visit + took_s)
    (found,) = find_kind(AnswerDelayed, replace(audit.build(), layers=make_table(rows, LAYERS)))
    assert found.severity == severity


def test_layers_that_pass_on_at_once_are_innocent() -> None:
    layers: list[Row] = [{"layer": TIMING}, {"layer": LIBRARY, "kind": "ASGI"}]
    assert judge([row for visit in range(99) for row in pass_through(visit, visit, *layers)]) == ()


def test_one_function_may_be_several_layers() -> None:
    """Each passes the request on within 15 ms: together they are not a layer that waits."""
    rows = []
    for visit in range(20):
        layer: Row = {"layer": TIMING}
        mine = pass_through(visit, float(visit), layer, layer, layer)
        for row, late_s in zip(mine, (0.055, 0.04, 0.025, 0.01), strict=True):
            row |= dict.fromkeys(("passed_s", "body_s", "sent_s"), visit + late_s)
        rows += mine
    assert judge(rows) == ()


def test_two_late_requests_of_a_hundred_are_no_evidence() -> None:
    rows = [row for visit in range(98) for row in keep_answer(visit, visit, 0.0)]
    assert judge([*rows, *keep_answer(98, 98, 0.1), *keep_answer(99, 99, 0.1)]) == ()


@pytest.mark.parametrize(("moments", "count"), [(2, 0), (3, 1)])
def test_what_happened_to_many_at_once_happened_once(moments: int, count: int) -> None:
    rows = [
        row
        for moment in range(moments)
        for visit in range(20)
        for row in keep_answer(20 * moment + visit, moment + visit / 1000, 0.1)
    ]
    assert len(judge(rows)) == count


@pytest.mark.parametrize(("late", "late_s", "count"), [(4, 0.06, 1), (4, 0.04, 0), (12, 0.04, 1)])
def test_what_is_seldom_and_short_is_the_machine_s(late: int, late_s: float, count: int) -> None:
    quick = [row for visit in range(20 - late) for row in keep_answer(visit, visit, 0.0)]
    slow = [row for visit in range(20 - late, 20) for row in keep_answer(visit, visit, late_s)]
    assert len(judge([*quick, *slow])) == count


def test_the_clients_body_is_the_clients() -> None:
    rows = [row for visit in range(10) for row in keep_request(visit + 1, float(visit), 0.3)]
    for row in rows[::2]:
        row["client_s"] = 0.295
    assert judge(rows) == ()


def test_a_blocked_loop_is_not_the_layers() -> None:
    rows = [row for visit in range(10) for row in keep_answer(visit + 1, float(visit), 0.3)]
    audit = AuditBuilder()
    for turn in range(10):
        audit.block(turn + 0.015, 0.29, [])
    evidence = replace(audit.build(), layers=make_table(rows, LAYERS))
    assert AnswerDelayed.find(evidence).findings == ()


def test_a_loop_with_many_short_handles_is_not_the_layers() -> None:
    """Each iteration takes 20 ms, and a layer that only passes on needs several."""
    rows = [row for visit in range(10) for row in keep_answer(visit + 1, float(visit), 0.06)]
    ages = [
        {"pid": PID, "at_s": turn / 100, "heartbeat_age_s": 0.015 + 0.0049 * (-1) ** turn}
        for turn in range(1000)
    ]
    assert AnswerDelayed.find(build(rows, samples=make_table(ages, PROBE))).findings == ()
    assert len(judge(rows)) == 1


def test_a_time_in_which_the_probe_could_not_look_is_not_the_layers() -> None:
    """Another thread holds the GIL, and the loop waits for it too."""
    rows = [row for visit in range(10) for row in keep_answer(visit + 1, float(visit), 0.06)]
    looks_s = [turn / 100 for turn in range(1000) if not 0 < turn % 100 <= 8]
    ages = [{"pid": PID, "at_s": at_s, "heartbeat_age_s": 0.005} for at_s in looks_s]
    assert AnswerDelayed.find(build(rows, samples=make_table(ages, PROBE))).findings == ()


def test_a_layer_that_always_waits_also_waits_while_the_loop_is_late() -> None:
    """The wait is as long as usual: it overlaps with a late loop."""
    rows = [row for visit in range(20) for row in keep_answer(visit + 1, float(visit), 0.3)]
    audit = AuditBuilder()
    for turn in range(10, 20):
        audit.block(turn + 0.02, 0.2, [])
    evidence = replace(audit.build(), layers=make_table(rows, LAYERS))
    (found,) = AnswerDelayed.find(evidence).findings
    assert found.count == 20
    assert found.seconds == pytest.approx(20 * 0.3)


def test_a_layer_that_sometimes_waits_is_not_charged_for_a_late_loop() -> None:
    rows = []
    for visit in range(20):
        rows += keep_answer(visit + 1, float(visit), 0.0 if visit < 7 else 0.3)
    audit = AuditBuilder()
    for turn in range(10, 20):
        audit.block(turn + 0.015, 0.29, [])
    evidence = replace(audit.build(), layers=make_table(rows, LAYERS))
    (found,) = AnswerDelayed.find(evidence).findings
    assert found.count == 3
    assert found.seconds == pytest.approx(3 * 0.3)


def test_a_wait_for_a_thread_is_another_findings() -> None:
    rows = [row for visit in range(10) for row in keep_request(visit + 1, float(visit), 0.3)]
    waits: list[Row] = [
        {
            "pid": PID, "visit": visit + 1, "asked_s": float(visit), "queued_s": float(visit),
            "granted_s": visit + 0.29,
        }
        for visit in range(10)
    ]  # fmt: skip
    evidence = build(rows, handovers=make_table(waits, HANDOVERS))
    assert AnswerDelayed.find(evidence).findings == ()


def test_a_layer_that_waits_for_the_whole_body_is_one_too() -> None:
    rows = []
    for visit in range(5):
        mine = keep_answer(visit, float(visit), 0.5)
        mine[1]["sent_s"] = visit + 0.5
        rows += mine
    (found,) = judge(rows)
    assert found.cause == "buffer"
    assert "whole response body" in found.message


def test_the_layer_outside_that_keeps_the_start_is_the_one_that_delays() -> None:
    """A pure ASGI layer waits in its `send`: everything inside it waits too, and its body comes
    later."""
    rows = []
    for visit in range(5):
        late_s = visit + 0.41
        body = {"body_s": late_s, "sent_s": late_s, "returned_s": late_s}
        rows += pass_through(
            visit, float(visit),
            {"layer": LIBRARY, "kind": "ASGI", "passed_s": late_s} | body,
            {"layer": TIMING, "start_wait_s": 0.4} | body,
        )  # fmt: skip
    (found,) = judge(rows)
    assert (found.file, found.function) == ("shield/asgi.py", "Shield.__call__")
    assert found.seconds == pytest.approx(2.0)


def test_a_late_first_part_of_the_body_is_not_the_layers() -> None:
    """A layer that compresses holds back the start of the response until there is a body."""
    rows = []
    for visit in range(5):
        late_s = visit + 1.0
        mine = pass_through(visit, float(visit), {"layer": LIBRARY, "passed_s": late_s})
        for row in mine:
            row |= dict.fromkeys(("body_s", "sent_s", "returned_s"), late_s)
        rows += mine
    assert judge(rows) == ()


def test_a_layer_that_answers_itself_has_no_delay() -> None:
    row = keep_answer(1, 0.0, 2.0)[0]
    alone = row | {"inner_s": None, "answered_s": None}
    assert judge([alone | {"visit": visit} for visit in range(20)]) == ()
