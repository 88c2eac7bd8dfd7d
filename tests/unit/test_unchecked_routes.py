"""A route whose requests failed is not checked: no gate, answer or comparison calls it well."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from analysis.findings import AuditEvidence, AuditFindings, find_all
from analysis.findings.base import AuditScope, UncheckedRoute
from analysis.findings.finding_threshold import (
    FindingGate,
    FindingOutcome,
    judge_findings,
    parse_finding_threshold,
)
from analysis.findings.load_evidence import resolve_routes
from analysis.findings.notices import MOST_NAMED
from analysis.findings.unchecked_routes import list_unchecked_routes
from analysis.report.audit_markdown import render_audit_markdown
from analysis.report.audit_page import render_audit_page
from analysis.report.findings_screen import render_findings
from analysis.report.findings_table import write_answer
from analysis.report.sarif import export_sarif
from analysis.summary.audit_changes import Change, compare_findings
from records.audit import ASKED, Phase
from records.rows import HANDLERS
from records.rundir import create_run
from tests.unit.audit_samples import AuditBuilder, endpoint, make_table, save_audit
from tests.unit.finding_samples import SampleBlock

PLAN = (Phase("all routes, 2 users", 0.0, 10.0, 2, ("GET /a", "GET /b")),)
OWN_LOAD = (Phase("locustfile", 0.0, 10.0, 2),)
CODE = "/srv/shop/main.py:10 read"
BLOCK = SampleBlock(
    severity="error", confidence="high", route="/a", file="main.py", line=20, seconds=9.0
)
Answer = int | str | None
"""A status; an error; None for no response."""


def build(
    answers: Mapping[str, Sequence[Answer]],
    phases: tuple[Phase, ...] = PLAN,
    code: str | None = CODE,
    *,
    has_clients: bool = True,
) -> AuditEvidence:
    """An audit whose requests of each route got these answers, from an endpoint if `code` is."""
    audit = AuditBuilder(phases=phases)
    for route, given in answers.items():
        for each in given:
            status = each if isinstance(each, int) else None
            error = each if isinstance(each, str) else None
            ended_s = None if each is None else 1.0
            audit.ask(route, 0.0, ended_s, status=status, error=error)
            if each is None:
                audit.handle(route)
            audit.handlers[-1] |= {"status": status, "endpoint": code, "method": "GET"}
    if not has_clients:
        audit.asked.clear()
    return audit.build()


def list_names(evidence: AuditEvidence) -> list[str]:
    return [each.route for each in list_unchecked_routes(evidence)]


@pytest.mark.parametrize(
    ("answers", "by"),
    [
        ([200] * 5 + [429] * 5, None),
        ([200] * 4 + [429] * 5, "429"),
        ([401], "401"),
        ([200] * 4 + [429] * 3 + [503] * 2, "429"),
        ([None, None, 200], "no complete response"),
        (["ServerDisconnectedError"], "no complete response"),
        ([307] * 9, None),
        ([101], None),
    ],
    ids=str,
)
def test_a_planned_route_is_checked_if_half_of_its_requests_succeeded(
    answers: Sequence[Answer], by: str | None
) -> None:
    found = list_unchecked_routes(build({"/a": answers, "/b": [200]}))
    assert [each.by for each in found] == ([] if by is None else [by])


def test_a_redirect_that_no_endpoint_sent_is_no_success() -> None:
    (found,) = list_unchecked_routes(build({"/a": [307] * 9}, code=None))
    assert found == UncheckedRoute("GET", "/a", 9, 9, "redirect 307")
    assert list_unchecked_routes(build({"/a": [200] * 9}, code=None)) == ()


@pytest.mark.parametrize("has_clients", [True, False], ids=["locustfile", "own traffic"])
def test_in_the_users_own_load_one_success_checks_a_route_unless_most_of_it_failed(
    has_clients: bool,
) -> None:
    some = {"/a": [401, 401, 401, 200], "/b": [200] * 5, "/c": [403]}
    assert list_names(build(some, OWN_LOAD, has_clients=has_clients)) == ["/c"]
    most = {"/a": [200, *[429] * 9], "/b": [200, *[429] * 8], "/c": [200]}
    assert list_names(build(most, OWN_LOAD, has_clients=has_clients)) == ["/a", "/b"]


def test_a_path_that_the_app_does_not_have_is_no_route_of_the_users_own_load() -> None:
    foreign = build({"/favicon.ico": [404] * 9}, OWN_LOAD, code=None)
    assert list_names(foreign) == ["/favicon.ico"]  # nothing else was asked
    both = build({"/favicon.ico": [404] * 9, "/a": [200]}, OWN_LOAD, code=None)
    assert list_names(both) == []
    planned = build({"/favicon.ico": [404] * 9, "/a": [200]}, code=None)
    assert list_names(planned) == ["/favicon.ico"]
    refused = build({"/items/{item}": [404] * 9, "/a": [200] * 9}, OWN_LOAD)  # an endpoint's 404
    assert list_names(refused) == ["/items/{item}"]
    silent = build({"/slow": [None] * 9, "/a": [200] * 9}, OWN_LOAD, code=None)
    assert list_names(silent) == ["/slow"]


def judge(found: AuditFindings, threshold: str = "error") -> FindingOutcome:
    (outcome,) = judge_findings(found, FindingGate((parse_finding_threshold(threshold),)))
    return outcome


@pytest.mark.parametrize("threshold", ["error", "LOOP_BLOCKED", "blocked>50ms", "waited>1s"])
def test_no_threshold_is_kept_if_a_route_is_not_checked(threshold: str) -> None:
    found = find_all(build({"/a": [200] * 9, "/b": [401]}))
    assert judge(found, threshold).why == (
        "The audit says little about routes of which most requests failed: GET /b (1 of 1: 401). "
        "Send requests that succeed, or leave these routes out."
    )


def test_a_finding_fails_the_gate_although_its_route_only_failed() -> None:
    audit = AuditBuilder(phases=PLAN)
    for turn in range(4):
        audit.ask("/report", float(turn), turn + 0.9, status=500)
        audit.block(float(turn), 0.9, [endpoint("read", 17)] * 4)
    outcome = judge(find_all(audit.build()), "blocked>50ms")
    assert outcome.failing
    assert outcome.why is not None


def test_many_routes_are_counted() -> None:
    routes = {f"/{place}": [422] * (9 - place) for place in range(MOST_NAMED + 2)}
    why = judge(find_all(build(routes))).why or ""
    assert "GET /0 (9 of 9: 422), GET /1" in why
    assert f"GET /{MOST_NAMED} " not in why
    assert ", and 2 more routes. Send" in why


def test_the_answer_says_it_wherever_it_is(tmp_path: Path) -> None:
    nothing = build({"/a": [429] * 9, "/b": [200, *[429] * 8]})
    assert write_answer(find_all(nothing)) == (
        "Audited: 18 requests of 2 routes in 10 s. The audit says little about 2 of 2 routes: "
        "17 of 18 requests failed (429)."
    )
    part = build({"/a": [401], "/b": [200] * 9})
    found = find_all(part)
    said = "The audit says little about 1 of 2 routes: 1 of 1 request failed (401)."
    assert write_answer(found).startswith("The audit found no code that blocks")
    run = create_run(tmp_path, "audit")
    save_audit(run, AuditBuilder())
    page = render_audit_page(run, found, part)
    sarif = json.dumps(export_sarif(found, part, "", None))
    assert "routes of which most requests failed" in sarif
    markdown = render_audit_markdown(found, part, None, ())
    screen = " ".join(" ".join(render_findings(found, None)).split())
    assert all(said in text for text in (page, markdown, screen))
    assert markdown.startswith(
        "### study audit: no findings; most requests of 1 of 2 routes failed\n"
    )
    grave = write_answer(replace(found, findings=(BLOCK,)))
    assert f" {said} The worst: " in grave
    minor = write_answer(replace(found, findings=(replace(BLOCK, severity="info"),)))
    assert minor.endswith(f" {said}")


def test_a_route_is_a_method_and_a_path_where_it_is_counted() -> None:
    audit = AuditBuilder(phases=PLAN)
    for method, status in {"GET": 200, "DELETE": 501, "OPTIONS": 501}.items():
        audit.ask("/", 0.0, 1.0, method=method, status=status)
    found = find_all(audit.build())
    assert found.scope.routes == ("/", "/", "/")
    assert write_answer(found).endswith(
        "in 3 requests of 3 routes in 10 s. The audit says little about 2 of 3 routes: 2 of 2 "
        "requests failed (501)."
    )


def compare(route: str | None, a: Sequence[str], b: Sequence[str]) -> Change:
    """Compare an audit with a finding and one without; their routes that are not checked."""
    scopes = [
        AuditScope(
            9, ("/a", "/b"), 60.0, 1,
            unchecked=tuple(UncheckedRoute("GET", each, 9, 9, "429") for each in names),
        )
        for names in (a, b)
    ]  # fmt: skip
    sides = [AuditFindings(scope=each) for each in scopes]
    there = replace(sides[0], findings=(replace(BLOCK, route=route),))
    (gone,) = compare_findings(there, sides[1])
    (new,) = compare_findings(sides[1], there)
    assert {"gone": "new"}.get(gone.change, gone.change) == new.change
    return gone.change


@pytest.mark.parametrize(
    ("route", "a", "b", "change"),
    [
        ("/a", (), ("/a",), "not seen"),
        ("/a", (), ("/b",), "gone"),
        ("/a", ("/a",), (), "gone"),
        (None, (), ("/b",), "not seen"),
        (None, ("/a", "/b"), ("/b",), "gone"),
    ],
)
def test_a_finding_of_a_route_that_failed_later_is_not_gone(
    route: str | None, a: Sequence[str], b: Sequence[str], change: Change
) -> None:
    assert compare(route, a, b) == change


def test_requests_that_a_middleware_answers_are_requests_of_their_route() -> None:
    """A middleware in front of the router knows only the path."""
    sent = [{"request_id": each, "method": "GET", "route": "/items/{id}"} for each in range(1, 9)]
    seen = [
        {"request_id": 1, "route": "/shop/items/{id}", "endpoint": CODE},
        *({"request_id": each, "route": "/items/1"} for each in range(2, 8)),
    ]
    asked = make_table(sent, ASKED)
    found = resolve_routes(asked, make_table(seen, HANDLERS), asked)
    assert found["route"].to_list() == ["/shop/items/{id}"] * 8
    unknown = make_table(seen, HANDLERS).with_columns(endpoint=pl.lit(None, pl.String))
    found = resolve_routes(asked, unknown, asked)  # the app's framework does not name it
    assert found["route"].to_list() == ["/shop/items/{id}", *["/items/1"] * 7]
