"""What counts as detected, and as a false alarm."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.labels import (
    BLOCKED_ASPECTS,
    CODES,
    BlockingLabel,
    CorpusApp,
    load_corpus,
)
from tests.corpus.matching import (
    WAITED_LEAST_S,
    Holder,
    Match,
    Report,
    Taken,
    match_reports,
    normalise_route,
    parse_findings,
)

CORPUS = load_corpus()
BY_NAME = {app.name: app for app in CORPUS}
TAKEN_S = 2.0
apps = st.sampled_from(CORPUS)


def describe(label: BlockingLabel) -> Report:
    """The report of a perfect detector."""
    return Report(
        route=label.route, file=f"corpus/{label.file}",
        line=label.lines[-1] if label.lines else None,
        function=f"Class.{label.function}", phase=label.phases[0] if label.phases else None,
        cause=label.cause, call=label.call, seconds=TAKEN_S, code=label.code,
        message=f"It has {' and '.join(label.words)}.", holders=describe_holders(label),
    )  # fmt: skip


def describe_holders(label: BlockingLabel) -> tuple[Holder, ...]:
    """The right holder, and one that holds less."""
    if label.holder is None:
        return ()
    right = Holder(label.holder.route, f"corpus/{label.holder.file}", label.holder.lines[0])
    return right, Holder("/ping", None, None)


def match(app: CorpusApp, reports: Sequence[Report]) -> Match:
    return match_reports(
        app, reports, {label.name: Taken(TAKEN_S, TAKEN_S) for label in app.blocking}
    )


def get_right(app: str, label: str, *reports: Report) -> dict[str, bool]:
    (found,) = [
        each for each in match(BY_NAME[app], reports).detections if each.label.name == label
    ]
    return found.right


def get_sleep() -> Report:
    (label,) = [each for each in BY_NAME["waits_app"].blocking if each.name == "sleep"]
    return describe(label)


@given(apps.flatmap(lambda app: st.tuples(st.just(app), st.permutations(app.blocking))))
def test_a_perfect_detector_is_right_in_everything_and_in_any_order(
    drawn: tuple[CorpusApp, list[BlockingLabel]],
) -> None:
    app, labels = drawn
    found = match(app, [describe(each) for each in labels])
    assert [each.right for each in found.detections] == [
        dict.fromkeys(label.aspects, True) for label in app.blocking
    ]
    assert (found.false_alarms, found.strays, found.unasked) == ((), (), ())


@given(apps)
def test_silence_detects_nothing_and_accuses_nobody(app: CorpusApp) -> None:
    found = match(app, [])
    assert not any(right for each in found.detections for right in each.right.values())
    assert found.false_alarms == ()


@given(apps, st.sampled_from(CODES))
def test_every_innocent_route_that_is_named_is_a_false_alarm(app: CorpusApp, code: str) -> None:
    reports = [
        Report(route=f"GET {each.route}", cause="wait", code=code)
        for each in app.innocent
        if not any(label.route == each.route and label.code == code for label in app.blocking)
    ]
    found = match(app, reports)
    assert len(found.false_alarms) == len(reports)
    assert not any(each.detected for each in found.detections)


@given(apps, st.floats(0.1, 3.0))
def test_seconds_are_right_within_a_fifth(app: CorpusApp, factor: float) -> None:
    reports = [replace(describe(each), seconds=factor * TAKEN_S) for each in app.blocking]
    for each in match(app, reports).detections:
        if "seconds" in each.label.aspects:
            assert each.right["seconds"] == (abs(factor * TAKEN_S / TAKEN_S - 1) <= 0.2)
        assert each.seconds_error == pytest.approx(factor - 1)


@pytest.mark.parametrize(("seconds", "error"), [(0.75, -0.25), (1.5, 0.0), (2.5, 0.25)])
def test_seconds_between_the_own_part_and_the_blocked_time_are_right(
    seconds: float, error: float
) -> None:
    report = replace(get_sleep(), seconds=seconds)
    found = match_reports(BY_NAME["waits_app"], [report], {"sleep": Taken(1.0, 2.0)})
    assert found.detections[0].seconds_error == pytest.approx(error)


def test_what_is_unexplained_accuses_nobody() -> None:
    report = Report(route="/ping", cause="unexplained")
    found = match(BY_NAME["waits_app"], [report])
    assert (found.false_alarms, found.strays) == ((), (report,))


def test_a_wrong_line_in_the_right_function_is_detected_at_a_wrong_line() -> None:
    wrong = replace(get_sleep(), line=1)
    right = get_right("waits_app", "sleep", wrong)
    assert right == dict.fromkeys(BLOCKED_ASPECTS, True) | {"line": False}


def test_the_right_line_with_the_route_of_another_is_a_wrong_route() -> None:
    wrong = replace(get_sleep(), route="/short")
    assert get_right("waits_app", "sleep", wrong)["route"] is False
    assert get_right("waits_app", "short", wrong)["detected"] is False


def test_a_route_without_a_line_is_a_detection() -> None:
    right = get_right("waits_app", "sleep", Report(route="/sleep/{number:int}", seconds=TAKEN_S))
    assert [aspect for aspect in BLOCKED_ASPECTS if right[aspect]] == [
        "detected",
        "route",
        "seconds",
    ]


def test_a_report_without_route_and_line_is_of_the_route_that_was_asked_alone() -> None:
    late = Report(seconds=TAKEN_S, during="/short")
    right = get_right("waits_app", "short", late)
    assert [each for each in right if right[each]] == ["detected", "seconds"]
    assert match(BY_NAME["waits_app"], [replace(late, during="/ping")]).false_alarms


def test_where_nothing_blocks_every_report_is_a_false_alarm() -> None:
    report = Report(file="innocent_app.py", line=3, cause="compute")
    assert match(BY_NAME["innocent_app"], [report]).false_alarms == (report,)
    assert match(BY_NAME["waits_app"], [report]).strays == (report,)


def test_of_library_code_alone_no_line_is_as_right_as_the_endpoint() -> None:
    report = Report(route="/encode", phase="response", cause="compute", seconds=TAKEN_S)
    assert get_right("phases_app", "encode", report) == dict.fromkeys(BLOCKED_ASPECTS, True)


def test_seconds_of_several_reports_at_the_lines_of_a_label_add_up() -> None:
    (label,) = [each for each in BY_NAME["compute_app"].blocking if each.name == "loop"]
    halves = [replace(describe(label), line=line, seconds=TAKEN_S / 2) for line in label.lines]
    assert len(halves) == 2
    assert all(get_right("compute_app", "loop", *halves).values())


def test_a_second_place_of_a_route_is_a_stray_and_takes_nothing_from_the_first() -> None:
    elsewhere = replace(get_sleep(), line=2, function="other", seconds=0.1)
    found = match(BY_NAME["waits_app"], [get_sleep(), elsewhere])
    assert found.strays == (elsewhere,)
    assert all(found.detections[0].right.values())


def test_what_never_ran_is_not_asked_for() -> None:
    found = match_reports(BY_NAME["gil_app"], [], {"gil-sort": Taken(1.0, 1.0)})
    assert [each.label.name for each in found.detections] == ["gil-sort"]
    assert found.unasked == ("gil-regex", "gil-thread")


def test_findings_keep_their_code_their_message_and_their_holders() -> None:
    blocked = {"code": "LOOP_BLOCKED", "route": "/a", "line": 3, "seconds": 1.5, "file": None}
    holder = {"route": "/b", "phase": None, "file": "a.py", "line": 7, "seconds": 2.0}
    waits = {"code": "POOL_WAIT", "message": "It waits.", "holders": [holder]}
    document = {"schema": 1, "findings": [blocked, waits], "notices": []}
    assert parse_findings(document) == [
        Report(route="/a", line=3, seconds=1.5),
        Report(code="POOL_WAIT", message="It waits.", holders=(Holder("/b", "a.py", 7),)),
    ]
    with pytest.raises(TypeError, match="line '3'"):
        parse_findings({"findings": [{**blocked, "line": "3"}]})
    with pytest.raises(TypeError, match="holders 'b'"):
        parse_findings({"findings": [{**waits, "holders": "b"}]})


def get_wait(name: str = "wait-for-dependency") -> Report:
    (label,) = [each for each in BY_NAME["pool_stages_app"].blocking if each.name == name]
    return describe(label)


def test_a_wait_at_another_stage_is_detected_at_a_wrong_stage() -> None:
    right = get_right(
        "pool_stages_app", "wait-for-dependency", replace(get_wait(), phase="endpoint")
    )
    assert [aspect for aspect in right if not right[aspect]] == ["phase"]


def test_two_stages_of_one_route_are_two_waits() -> None:
    before, after = get_wait("wait-before-response"), get_wait("wait-for-response")
    assert before.route == after.route
    assert all(get_right("pool_stages_app", "wait-for-response", before, after).values())
    assert not any(get_right("pool_stages_app", "wait-for-response", before).values())


@pytest.mark.parametrize(
    "holders",
    [
        (),
        (Holder("/ping", "pool_stages_app.py", 3),),
        (Holder("/report", "pool_stages_app.py", 3),),
        (Holder("/report", None, None),),
        tuple(reversed(get_wait().holders)),
    ],
)
def test_the_worst_holder_has_to_be_the_right_one(holders: tuple[Holder, ...]) -> None:
    report = replace(get_wait(), holders=holders)
    right = get_right("pool_stages_app", "wait-for-dependency", report)
    assert [aspect for aspect in right if not right[aspect]] == ["holder"]


def test_a_report_of_another_code_detects_nothing() -> None:
    report = replace(get_wait(), code="EXECUTOR_WAIT")
    assert not any(get_right("pool_stages_app", "wait-for-dependency", report).values())


def test_a_label_that_hardly_waited_is_not_asked_for() -> None:
    app = BY_NAME["pool_stages_app"]
    for waited_s, is_due in ((WAITED_LEAST_S - 0.01, False), (WAITED_LEAST_S, True)):
        found = match_reports(app, [], {"wait-for-file": Taken(waited_s, waited_s)})
        assert ([each.label.name for each in found.detections] == ["wait-for-file"]) == is_due
        assert ("wait-for-file" not in found.unasked) == is_due


def test_of_layers_around_one_route_each_is_known_by_its_line() -> None:
    first, second, third = BY_NAME["layers_app"].blocking
    reports = [describe(third), describe(first)]
    found = {e.label.name: e.reports for e in match(BY_NAME["layers_app"], reports).detections}
    assert found == {
        first.name: (reports[1],),
        second.name: (),
        third.name: (reports[0],),
    }


def test_what_is_of_the_process_has_no_route_and_no_line() -> None:
    report = Report(code="LIMITER_SIZE", message="It has 16 tokens and shrinks to 6.")
    right = get_right("resized_app", "pool-exceeded", report)
    assert right == {"detected": True, "words": True}


@pytest.mark.parametrize(
    ("message", "is_right"),
    [
        ("7 of 7 threads wait for 3 connections.", True),
        ("7 of 7 threads, and a pool of 3.", True),
        ("17 threads wait for 3 connections.", False),
        ("7 threads wait for 3.5 s.", False),
    ],
)
def test_the_sizes_of_a_deadlock_are_whole_numbers_of_the_message(
    message: str, is_right: bool
) -> None:
    (label,) = BY_NAME["deadlock_sqlalchemy_app"].blocking
    report = replace(describe(label), message=message)
    right = get_right("deadlock_sqlalchemy_app", label.name, report)
    assert [aspect for aspect in right if not right[aspect]] == ([] if is_right else ["words"])


def test_an_innocent_route_may_be_accused_of_what_a_label_says_of_it() -> None:
    app = BY_NAME["full_pool_app"]
    assert {"/health"} < {each.route for each in app.innocent}
    (label,) = [e for e in app.blocking if e.route == "/health" and e.code == "POOL_WAIT"]
    again = replace(describe(label), phase="response")
    found = match(app, [describe(label), again])
    assert (found.false_alarms, found.strays) == ((), (again,))
    blocked = replace(again, code="LOOP_BLOCKED")
    assert match(app, [blocked]).false_alarms == (blocked,)


@pytest.mark.parametrize(
    ("route", "normal"),
    [("GET /a/{b:path}", "/a/{b}"), ("/a:b", "/a:b"), ("WS /", "/"), (None, None)],
)
def test_routes_are_compared_without_method_and_converters(
    route: str | None, normal: str | None
) -> None:
    assert normalise_route(route) == normal
