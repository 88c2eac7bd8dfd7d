"""The terminal's text on a full pool: its advice once, and in the answer the code that fills it."""

from dataclasses import replace

from analysis.findings import AuditFindings, find_all
from analysis.findings.base import Notice, Victim
from analysis.findings.remedies import Cure
from analysis.findings.waits.queue_wait import QueueWait
from analysis.report.finding_words import count_findings, format_route
from analysis.report.findings_screen import render_findings
from analysis.report.table import WIDTH
from analysis.report.worst_cause import describe_worst
from tests.unit.audit_samples import AuditBuilder, endpoint
from tests.unit.finding_samples import SampleFinding, SampleTrivialDef, keep_threads
from tests.unit.handover_samples import wait
from tests.unit.test_pool_deadlock import Threads, lock_up
from tests.unit.test_waits_findings import build, fill

ROUTES = ("/a", "/b", "/sync-client", "/d", "/e")
MOST_LINES = 33


def judge_full_pool() -> AuditFindings:
    """Requests of five routes wait behind those of a sixth."""
    waits = [
        wait(1.0 + number / 10, visit, route=route)
        for number, route in enumerate(ROUTES)
        for visit in (10 * number + 1, 10 * number + 2)
    ]
    return find_all(build([*fill(), *waits]))


def test_the_advice_of_a_full_pool_is_said_once_and_fits_a_screen() -> None:
    found = judge_full_pool()
    assert len(found.findings) == len(ROUTES)
    lines = render_findings(found, WIDTH)
    text = " ".join(" ".join(lines).split())
    assert text.count("A larger size helps only if") == 1
    assert text.count("Meanwhile, 4 of 4 threads are in use") == 1
    assert all(f"{route} (dependency): To run the dependency" in text for route in ROUTES)
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) <= MOST_LINES
    assert not any(line.endswith("-") or line.strip().startswith("%") for line in lines)
    for each in found.findings:
        assert "More threads (total_tokens) help only if" in each.message


def test_the_answer_names_who_keeps_the_threads_and_how_long_all_waited() -> None:
    text = " ".join(" ".join(render_findings(judge_full_pool(), WIDTH)).split())
    assert (
        "The worst: load() (main.py:50) for /slow holds threads of anyio's pool (4 in total); "
        "requests of 5 routes waited 12.0 s for one, 100 % of it behind this code. Change: Up "
    ) in text


def test_the_answer_names_the_code_that_most_waiting_is_behind() -> None:
    """Not the code that holds the threads while the waiting requests lose most to other routes."""
    waits = [each for each in judge_full_pool().findings if isinstance(each, QueueWait)]
    one, other = keep_threads("/one", 6.0, line=1), keep_threads("/other", 4.0, line=2)
    first = replace(waits[0], seconds=5.0, holders=(one, other), in_use=4.0)
    second = replace(waits[1], seconds=5.0, holders=(replace(other, seconds=9.0),), in_use=4.0)
    assert describe_worst([first, second]) == (
        "keep() (main.py:2) for /other holds threads of anyio's pool (4 in total); requests of 2 "
        "routes waited 10.0 s for one, 70 % of it behind this code"
    )
    half = [replace(each, in_use=2.0) for each in (first, second)]
    assert "35 % of it behind this code" in describe_worst(half)
    unknown = [replace(each, holders=(), in_use=0.0) for each in (first, second)]
    assert describe_worst(unknown) == (
        "requests of 2 routes waited 10.0 s for a thread of anyio's pool"
    )


def test_waits_for_one_queue_together_are_worse_than_one_place_with_more() -> None:
    block = SampleFinding(
        severity="error", confidence="high", file="main.py", line=3, function="pay", route="/pay",
        seconds=7.0,
    )  # fmt: skip
    waits = judge_full_pool().findings
    assert "anyio's pool (4 in total)" in describe_worst([block, *waits])
    harmful = SampleFinding(
        severity="error", confidence="high", file="main.py", line=3, function="pay", route="/pay",
        seconds=7.0, victims=(Victim("/a", 9, 99.0),),
    )  # fmt: skip
    assert describe_worst([*waits, harmful]) == (
        "main.py:3 pay, /pay: sample finding, 7.0 s; requests of other routes lost 99.0 s"
    )


def test_code_that_several_routes_share_has_no_unknown_route() -> None:
    shared = SampleTrivialDef(severity="info", confidence="high", phase="dependency", seconds=9.0)
    assert format_route(shared) == "several routes (dependency)"
    assert "9.0" not in count_findings([shared])  # its seconds may come from the loop
    assert format_route(SampleFinding(severity="info", confidence="high", phase="stream")) == (
        "unknown route (stream)"
    )


def test_one_line_is_one_place_whatever_routes_come_by() -> None:
    found = [
        SampleFinding(
            severity="error", confidence="high", file="main.py", line=line, function="pay",
            route=route,
        )
        for line, route in ((3, "/a"), (3, "/b"), (4, "/a"))
    ]  # fmt: skip
    assert "at 2 places" in count_findings(found)
    unplaced = [replace(each, file=None, line=None) for each in found[:2]]
    assert "at 2 places" in count_findings(unplaced)


def test_a_middleware_takes_seconds_from_the_requests_of_the_route_itself() -> None:
    found = SampleFinding(
        severity="error", confidence="high", file="main.py", line=3, function="report",
        route="/a", phase="middleware", seconds=7.0, victims=(Victim("/a", 9, 6.0),),
    )  # fmt: skip
    assert describe_worst([found]).endswith("7.0 s; its requests lost 6.0 s")


def test_the_deadlock_of_a_queue_is_the_cause_of_its_waits() -> None:
    found = find_all(lock_up(Threads()).build()).findings
    assert {each.code for each in found} >= {"POOL_DEADLOCK", "POOL_WAIT"}
    assert describe_worst(found) == (
        "40 of 40 threads of anyio's pool are stuck at service.py:36, waiting for a QueuePool of "
        "10; 50 requests lost 452.0 s in total"
    )


def test_how_exact_blocks_are_is_not_said_where_there_is_none() -> None:
    found = replace(judge_full_pool(), notices=(Notice("UNTIMED", "Not timed."),))
    assert "Not timed." not in "\n".join(render_findings(found, WIDTH))
    assert "Not timed." in "\n".join(render_findings(found, WIDTH, verbose=True))
    audit = AuditBuilder()
    audit.block(0.0, 0.5, [endpoint("report", 17)] * 9)
    blocked = replace(find_all(audit.build()), notices=found.notices)
    assert "Not timed." in "\n".join(render_findings(blocked, WIDTH))


def test_the_answer_ends_with_what_to_change_where_the_worst_is() -> None:
    """Advice would say less than the cure, so it is omitted."""
    cure = Cure("main.py", 3, ("    time.sleep(1)",), ("    await asyncio.sleep(1)",), "Await it.")
    sample = SampleFinding(
        severity="error", confidence="high", file="main.py", line=3, function="pay", seconds=7.0
    )
    minor = replace(sample, severity="info", seconds=99.0, cure=replace(cure, reason="Not this."))
    found = AuditFindings(findings=(minor, replace(sample, cure=cure)))
    assert render_findings(found, WIDTH)[-3:] == [
        "Change main.py:3: Await it.",
        "    - time.sleep(1)",
        "    + await asyncio.sleep(1)",
    ]
    waits = judge_full_pool()
    cured = tuple(replace(each, cure=cure) for each in waits.findings)
    text = "\n".join(render_findings(replace(waits, findings=cured), WIDTH))
    assert "total_tokens" not in text
    assert "Change main.py:3: Await it." in text
