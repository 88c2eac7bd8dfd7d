"""The texts of an audit: the terminal, the page, the latencies by route, two audits."""

import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from analysis.findings import AuditEvidence, AuditFindings, find_all, load_audit_evidence
from analysis.findings.base import AuditScope, Culprit, HarmMatrix, Victim
from analysis.findings.blocks.loop_blocked import LoopBlocked
from analysis.findings.judge import list_findings
from analysis.findings.remedies import Cure, Predicted, RouteChange, RouteLevel, Tried
from analysis.report.audit_overview import build_overview_table
from analysis.report.audit_page import write_audit_page
from analysis.report.audit_routes import build_routes_table
from analysis.report.findings_screen import render_findings
from analysis.report.findings_table import write_answer
from analysis.report.harm_table import render_matrix
from analysis.report.table import WIDTH, render_terminal
from records.audit import Phase, UnaskedRoute
from records.rows import SPANS
from records.rundir import create_run
from scenarios.errors import UserError
from tests.unit.audit_samples import AuditBuilder, endpoint, library, save_audit
from tests.unit.finding_samples import (
    SampleDeadlock,
    SampleFinding,
    SampleKill,
    SamplePoolWait,
    SampleTrivialDef,
    keep_threads,
)

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "audit.md"


def build_busy_audit() -> AuditBuilder:
    """Two places that block, one at startup; a busy machine; requests that fail or never end."""
    audit = AuditBuilder()
    audit.phases = (
        Phase("report alone", 0.0, 4.0, 1, ("GET /report",)),
        Phase("all routes, 20 users", 4.0, 10.0, 20, ("GET /report", "GET /ping")),
    )
    lifespan = [library("starlette.routing", "lifespan"), *endpoint("unused", 1)[1:]]
    start = [("main", "/srv/shop/main.py", 5, "load_model", 4), *lifespan]
    audit.block(0.0, 0.5, [start] * 9, route=None, visit=0)
    for turn in range(4):
        stack = endpoint("build_report_with_a_long_name", 17, [library("socket", "readinto")])
        audit.block(1.0 + turn, 0.25, [stack] * 5)
    audit.block(6.0, 1.0, [endpoint("ping", 40)] * 3, route="/ping", run_delay_s=0.9)
    for turn in range(4):
        audit.ask("/report", 1.0 + turn, 1.3 + turn, phase="report alone")
        audit.ask("/ping", 5.0 + turn, 5.002 + turn)
    audit.ask("/ping", 6.0, None)
    audit.ask("/ping", 7.0, 7.5, status=503, error="HTTP 503")
    audit.handlers[0] |= {"thread_id": 3, "thread_kind": "anyio-worker"}
    return audit


TERMINAL = """\
findings                   what happens              requests seconds longest ms
main.py:17 build_report_with_a_long_name
                           loop blocked: wait               4     1.0        250
  /report (endpoint): The event loop is blocked while socket.readinto waits: up
    to 250 ms per request.
main.py:5 load_model       loop blocked: wait               1     0.5        500
  no request (startup): The event loop is blocked while load_model() waits:
    500 ms at startup.

The event loop waited 1.0 s for a processor: the machine was busy. For exact
  times, run the audit on a quiet machine.

The event loop is blocked at 1 place, for 1.0 s; 1 more is informational.
  Audited: 10 requests of 2 routes in 10 s. The worst: main.py:17
  build_report_with_a_long_name, /report (endpoint), blocks the event loop for
  1.0 s.
Change main.py:17: The source was not found, was changed after the service
  started, or has several statements in this line. It frees the event loop for
  250 ms per request.
    + # await an asynchronous call here, or move the call to a thread"""


def render_busy_audit(verbose: bool = False) -> str:
    return "\n".join(render_findings(find_all(build_busy_audit().build()), WIDTH, verbose))


def test_the_whole_terminal_fits_80_columns_and_the_answer_is_last() -> None:
    assert render_busy_audit() == TERMINAL
    assert max(map(len, TERMINAL.splitlines())) <= WIDTH


def test_verbose_shows_the_stacks_innermost_first() -> None:
    text = render_busy_audit(verbose=True)
    first, second = "socket.py:1 readinto", "main.py:17 build_report_with_a_long_name\n    fastapi"
    assert text.index(first) < text.index(second)
    assert "starlette/routing.py:1 lifespan" in text


def test_what_was_not_asked_is_counted_and_with_verbose_named() -> None:
    unasked = tuple(
        UnaskedRoute(
            "POST", f"/orders/{n}", "a POST may write", f"Add --request 'POST /orders/{n}'."
        )
        for n in range(3)
    )
    evidence = build_busy_audit().build()
    found = find_all(replace(evidence, record=replace(evidence.record, unasked=unasked)))
    short, whole = ("\n".join(render_findings(found, WIDTH, each)) for each in (False, True))
    assert "POST /orders/0 was not called: a POST may write." in short
    assert "2 more like this" in short
    assert "/orders/2" not in short
    assert "/orders/2" in whole


ROUTES = """\
client-side latency           requests failed unanswered  median     p99 maximum
                                                              ms      ms      ms
GET /report on 1 pool thread
  alone, 1 user                      4      0          0     300     300     300
GET /ping
  all routes, 20 users               6      1          1     2.0  >4,000  >4,000
Unanswered requests count with their age (Kaplan–Meier): > marks a lower bound.
  A failure is an error or a status of 400 or higher."""


def test_the_clients_latencies_count_the_unanswered_and_the_failures() -> None:
    lines = render_terminal(build_routes_table(build_busy_audit().build()))
    assert "\n".join(lines) == ROUTES
    assert max(map(len, lines)) <= WIDTH


OVERVIEW = """\
client-side latency            requests failed     no    1    20    all
                                               answer user users routes
GET /report                           4      0      0  300     –      –
GET /ping                             6      1      1    –     –    2.0
client-side median in ms: alone, with all users, and with all routes"""


def test_a_route_has_one_line_in_the_terminal() -> None:
    lines = render_terminal(build_overview_table(build_busy_audit().build()))
    assert "\n".join(lines) == OVERVIEW


def test_a_load_that_asked_no_route_alone_has_all_its_rows() -> None:
    audit = AuditBuilder()
    audit.ask("/ping", 1.0, 1.001)
    assert build_overview_table(audit.build()) == build_routes_table(audit.build())


KINDS = """\
findings                   what happens              requests seconds longest ms
service.py:36 pay          pool deadlock                   40   400.0          –
  /pay (endpoint): 40 of 40 threads are stuck at service.py:36.
main.py:20 read            waits for a thread             300    90.5      1,200
  /read (dependency): Something happens.
the server                 worker lost                      2       –          –
  all routes: Something happens.
main.py:60 check           needs no thread                900     2.0          –
  /health/0 (endpoint): Something happens.
main.py:61 check           needs no thread                900     2.0          –
  /health/1 (endpoint): Something happens.
and 2 more informational: see -v and report.html

Threads and requests wait for each other at 1 place, for 400.0 s; requests wait
  for a thread or a limiter at 1 place, for 90.5 s; workers are killed or crash;
  4 more are informational. Audited: 9 requests of 1 route in 60 s. The worst:
  main.py:20 read, /read (dependency): waits for a thread, 90.5 s; its requests
  lost 80.0 s."""


def build_kinds() -> AuditFindings:
    """Waits, and more informational findings than errors and warnings."""
    checks = [
        SampleTrivialDef(
            severity="info", confidence="high", route=f"/health/{n}", phase="endpoint",
            file="main.py", line=60 + n, function="check", count=900, seconds=2.0,
            victims=(Victim("/read", 1, 500.0 - n),),
        )
        for n in range(4)
    ]  # fmt: skip
    grave = [
        SampleDeadlock(
            severity="error", confidence="high", route="/pay", phase="endpoint", file="service.py",
            line=36, function="pay", count=40, seconds=400.0,
            text="40 of 40 threads are stuck at service.py:36.",
        ),
        SamplePoolWait(
            severity="warning", confidence="high", route="/read", phase="dependency",
            file="main.py", line=20, function="read", count=300, seconds=90.5, longest_ms=1200.0,
            holders=(keep_threads("/<pay>", 1234.5),), victims=(Victim("/read", 300, 80.0),),
        ),
        SampleKill(severity="error", confidence="high", count=2),
    ]  # fmt: skip
    culprit = Culprit("keeps threads", "/<pay>", "endpoint", "service.py", 36, "pay")
    return AuditFindings(
        findings=(*checks, *grave),
        scope=AuditScope(9, ("/read",), 60.0, 1),
        matrix=HarmMatrix((culprit,), ("/read", "/health"), ((80.0, 0.01),)),
    )


def test_findings_of_all_kinds_are_shown_in_words_and_what_is_for_information_last() -> None:
    lines = render_findings(build_kinds(), WIDTH)
    assert "\n".join(lines) == KINDS
    assert max(map(len, lines)) <= WIDTH


def test_every_finding_has_words_of_its_own() -> None:
    real = [each for each in list_findings() if not issubclass(each, SampleFinding)]
    assert len({each.short for each in real}) == len({each.clause for each in real}) == len(real)


LINKS = re.compile(r"""<a id="\w+"></a>| \(\[rule [^|]*\)(?= \|)""")
"""Anchors, and rules of the guidance."""


def test_the_documents_have_each_finding_s_meaning_and_remedy() -> None:
    text = LINKS.sub("", DOCUMENT.read_text())
    rows = [row.split(" | ") for row in text.splitlines() if row.startswith("| `")]
    written = {row[0].strip("| `"): (row[1], row[-1].removesuffix(" |")) for row in rows}
    real = [each for each in list_findings() if not issubclass(each, SampleFinding)]
    assert {each.code: (each.meaning, each.remedy) for each in real if each.code in written} == {
        each.code: written[each.code] for each in real if each is not LoopBlocked
    }


MATRIX = """\
seconds lost to                      A       B       C       D       E   other
service.py:36 pay                 50.0    40.0    30.0    20.0    10.0     3.5
app/middleware/with_a_long_name.py:120 Timing.__call__             7.0
A  /r0
B  /r1
C  /r2
D  /r3
E  /r4"""


def test_the_matrix_fits_a_terminal_and_sums_up_what_has_no_room() -> None:
    culprits = (
        Culprit("keeps threads", "/pay", "endpoint", "service.py", 36, "pay"),
        Culprit(
            "delays answers", None, "middleware", "app/middleware/with_a_long_name.py", 120,
            "Timing.__call__",
        ),
    )  # fmt: skip
    seconds = ((50.0, 40.0, 30.0, 20.0, 10.0, 3.0, 0.5), (0.0, 7.0, 0.01, 0.0, 0.0, 0.0, 0.0))
    matrix = HarmMatrix(culprits, tuple(f"/r{n}" for n in range(7)), seconds)
    lines = render_matrix(matrix)
    assert "\n".join(lines) == MATRIX
    assert max(map(len, lines)) <= WIDTH
    assert render_matrix(HarmMatrix()) == []
    assert lines[0] in render_findings(replace(build_kinds(), matrix=matrix), WIDTH, verbose=True)


def test_with_findings_for_information_alone_there_is_no_error() -> None:
    found = build_kinds()
    minor = tuple(each for each in found.findings if each.severity == "info")
    lines = render_findings(replace(found, findings=minor[:1]), WIDTH)
    assert " ".join(" ".join(lines).split()).endswith(
        "No errors and no warnings in 9 requests of 1 route in 60 s; 1 finding is informational."
    )


def test_an_audit_that_did_not_see_waits_does_not_say_that_there_are_none() -> None:
    scope = replace(build_kinds().scope, sees_waits=False)
    assert "pool" not in " ".join(render_findings(AuditFindings(scope=scope), WIDTH))


def test_the_page_shows_holders_victims_and_the_matrix(tmp_path: Path) -> None:
    run = create_run(tmp_path, "audit")
    save_audit(run, build_busy_audit())
    write_audit_page(run, build_kinds(), load_audit_evidence(run))
    page = (run.path / "report.html").read_text()
    assert "main.py:10 keep, /&lt;pay&gt; (endpoint)</code> for 1,234.5 thread-seconds" in page
    assert "300 requests of <code>/read</code> lost 80.0 s" in page
    assert '<td style="--shade: 1.0">80.0</td><td style="--shade: 0.01"></td>' in page
    assert page.index("pool deadlock") < page.index("needs no thread")
    assert "/<pay>" not in page


def test_the_page_shows_cures_predictions_and_trials(tmp_path: Path) -> None:
    """Five findings with one change have one prediction; a trial without a finding is shown."""
    run = create_run(tmp_path, "audit")
    save_audit(run, build_busy_audit())
    before, after = RouteLevel("/<read>", 1.0, 500.0, 900.0), RouteLevel("/<read>", 9.0, 2.0, 3.0)
    cure = Cure("main.py", 20, ("    <old>()",), ("    <new>()",), "It is <better>.", "small-pool")
    changed = [
        replace(each, cure=cure, predicted=Predicted(7, (before,), (after,)))
        for each in build_kinds().findings
    ]
    tried = Tried("loop=uvloop", 3, (RouteChange("/<read>", before, after, 250.0, 90.0, 400.0),))
    found = replace(build_kinds(), findings=tuple(changed), trials=(tried,))
    write_audit_page(run, found, load_audit_evidence(run))
    page = (run.path / "report.html").read_text()
    assert page.count("<figcaption>Without ") == 1
    assert page.count("<figcaption>--try loop=uvloop, 3 rounds each") == 1
    assert "<del>- &lt;old&gt;()</del><ins>+ &lt;new&gt;()</ins>" in page
    assert page.count("Predicted for 7 users: the median of /&lt;read&gt; falls") == len(changed)
    assert "Guidance, rule 1: A <code>def</code> endpoint is not slow" in page
    assert not any(each in page for each in ("/<read>", "<old>", "<better>"))


def test_the_page_shows_a_change_of_several_findings_once(tmp_path: Path) -> None:
    """At the worst, which is the first on the page, though not in the list."""
    run = create_run(tmp_path, "audit")
    save_audit(run, AuditBuilder())
    lines = ("old()",), ("new()",)
    first = SampleFinding(
        severity="warning", confidence="high", file="main.py", line=3, seconds=1.0,
        cure=Cure("main.py", 3, *lines, "One object."),
    )  # fmt: skip
    worst = replace(first, seconds=9.0, cure=Cure("main.py", 3, *lines, "One client."))
    other = replace(first, line=8, cure=Cure("main.py", 8, *lines, "Another place."))
    found = AuditFindings((first, other, worst), scope=AuditScope(9, ("/",), 60.0, 1))
    write_audit_page(run, found, load_audit_evidence(run))
    page = (run.path / "report.html").read_text()
    assert page.count("<ins>+ new()</ins>") == 2
    cards = {place: page.index(f'id="finding-{place}"') for place in (1, 2, 3)}
    assert cards[3] < page.index("<ins>") < cards[1]
    said = 'The lines to change are those of <a href="#finding-3">finding 3</a>.'
    assert page.count("The lines to change are those of") == page.count(said) == 1
    assert cards[1] < page.index(said) < cards[2]
    assert all(each in page for each in ("One object.", "One client.", "Another place."))


def test_a_page_without_findings_or_from_outside_says_so(tmp_path: Path) -> None:
    run = create_run(tmp_path, "audit")
    audit = AuditBuilder()
    audit.ask("/ping", 1.0, 1.001)
    save_audit(run, audit)
    evidence = load_audit_evidence(run)
    for known in (evidence, replace(evidence, handlers=evidence.handlers.clear())):
        found = find_all(known)
        write_audit_page(run, found, known)
        page = (run.path / "report.html").read_text()
        assert write_answer(found) in page
        for section in ("findings", "moments", "changes", "matrix"):
            assert f'id="{section}"' not in page
            assert f'href="#{section}"' not in page


def test_the_worst_is_on_the_first_screen_and_nowhere_else(tmp_path: Path) -> None:
    run = create_run(tmp_path, "audit")
    save_audit(run, build_busy_audit())
    evidence = load_audit_evidence(run)
    found = find_all(evidence)
    write_audit_page(run, found, evidence)
    page = (run.path / "report.html").read_text()
    first = page[page.index('<section id="answer">') : page.index('<section id="findings">')]
    assert "The worst: " in first
    assert found.findings[0].facts in first
    assert page.count('id="finding-1"') == page.count('id="finding-2"') == 1
    assert first.count('class="finding ') == 1


def answer(evidence: AuditEvidence) -> str:
    return " ".join(" ".join(render_findings(find_all(evidence), WIDTH)).split())


def test_an_audit_without_findings_says_what_it_looked_at() -> None:
    audit = AuditBuilder()
    audit.ask("/ping", 1.0, 1.001)
    assert answer(audit.build()) == (
        "The audit found no code that blocks the event loop for 20 ms or more, and no thread pool "
        "that makes requests wait, in 1 request of 1 route in 10 s."
    )


def test_an_audit_from_outside_does_not_say_that_all_is_well() -> None:
    audit = AuditBuilder()
    audit.ask("/ping", 1.0, 1.001)
    evidence = audit.build()
    text = answer(replace(evidence, handlers=evidence.handlers.clear()))
    assert text.endswith("It cannot show what blocks the event loop or waits.")
    assert "found no code" not in text


def test_the_page_has_the_findings_first_and_escapes_what_it_shows(tmp_path: Path) -> None:
    run, audit = create_run(tmp_path, "audit"), build_busy_audit()
    audit.block(9.0, 0.2, [endpoint("<b>bold</b>", 60)] * 4, route="/<i>")
    save_audit(run, audit)
    evidence = load_audit_evidence(run)
    write_audit_page(run, find_all(evidence), evidence)
    page = (run.path / "report.html").read_text()
    assert page.index("build_report_with_a_long_name") < page.index('id="notices"')
    assert page.index('id="notices"') < page.index('id="latency"') < page.index('id="conditions"')
    assert "<b>bold" not in page
    assert "/<i>" not in page
    assert "://" not in page.replace(evidence.record.url, "")
    assert "/srv" not in page


def test_records_come_back_as_they_were_saved(tmp_path: Path) -> None:
    run, audit = create_run(tmp_path, "audit"), build_busy_audit()
    save_audit(run, audit)
    assert find_all(load_audit_evidence(run)) == find_all(audit.build())


@pytest.mark.parametrize("table", ["asked", "handlers", "blocks", "block_stacks"])
def test_an_audit_that_was_cut_short_is_judged_by_what_is_there(tmp_path: Path, table: str) -> None:
    run = create_run(tmp_path, "audit")
    save_audit(run, build_busy_audit())
    (run.open_cell("audit").path / f"{table}.parquet").unlink()
    found = find_all(load_audit_evidence(run))
    assert any(table in each.message for each in found.notices if each.code == "NOT_RECORDED")
    is_blind = table in ("blocks", "block_stacks")
    assert (found.findings == ()) == is_blind
    assert (found.blocked_s == 0) == (table == "blocks")


def test_rows_that_the_probe_lost_are_said() -> None:
    evidence = build_busy_audit().build()
    assert not any(each.code == "JOURNAL_LOST" for each in find_all(evidence).notices)
    record = replace(evidence.record, journals_lost=("probe-7-1.5.journal",))
    found = find_all(replace(evidence, record=record))
    (said,) = [each.message for each in found.notices if each.code == "JOURNAL_LOST"]
    assert "probe-7-1.5.journal" in said


def test_a_damaged_table_is_one_line(tmp_path: Path) -> None:
    run = create_run(tmp_path, "audit")
    save_audit(run, build_busy_audit())
    (run.open_cell("audit").path / "blocks.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(UserError, match=r"blocks\.parquet"):
        load_audit_evidence(run)


@pytest.mark.parametrize("table", ["asked", "blocks"])
def test_rows_that_end_before_they_begin_are_one_line(tmp_path: Path, table: str) -> None:
    run, (began, ended) = create_run(tmp_path, "audit"), SPANS[table]
    save_audit(run, build_busy_audit())
    path = run.open_cell("audit").path / f"{table}.parquet"
    pl.read_parquet(path).with_columns(pl.col(began).alias(ended) - 1.0).write_parquet(path)
    with pytest.raises(UserError, match=f"{ended} before {began}"):
        load_audit_evidence(run)


def test_a_path_that_the_app_knows_as_a_template_is_that_route(tmp_path: Path) -> None:
    """Otherwise a blocking route's own requests would be its victims."""
    run, audit = create_run(tmp_path, "audit"), AuditBuilder()
    for turn in range(4):
        audit.block(float(turn), 0.2, [endpoint("get", 17)] * 4, route="/items/{id}")
        audit.ask("/items/7", float(turn), turn + 0.2)
        audit.handlers[-1] |= {"route": "/items/{id}"}
    audit.ask("/items/7", 5.0, None)  # the app never saw it
    save_audit(run, audit)
    evidence = load_audit_evidence(run)
    assert set(evidence.asked["route"]) == {"/items/{id}"}
    (found,) = find_all(evidence).findings
    assert found.victims == ()
    assert round(found.share or 0, 6) == 0.08


def test_own_traffic_is_shown_as_the_app_saw_it() -> None:
    audit = AuditBuilder()
    for turn in range(4):
        sent_s = None if turn == 3 else turn + 0.25
        audit.handle("/ping", method="GET", arrived_s=float(turn), sent_s=sent_s, status=200)
    table = build_routes_table(audit.build())
    assert table.columns[0].heading == "latency in the app"
    assert [row.name for row in table.rows] == ["GET /ping", "all requests"]
    assert list(table.rows[1].cells) == [4, 0, 1, "250", ">7,000", ">7,000"]


def test_from_outside_only_the_clients_rows_are_missed(tmp_path: Path) -> None:
    """`study audit --url` has no tables of the app, and says once what that means."""
    run = create_run(tmp_path, "audit")
    save_audit(run, build_busy_audit(), processes=())
    for table in ("handlers", "blocks", "block_stacks"):
        (run.open_cell("audit").path / f"{table}.parquet").unlink()
    found = find_all(load_audit_evidence(run))
    assert [each.code for each in found.notices] == ["NOT_ATTACHED"]


def test_an_attached_service_without_requests_is_not_called_unattached(tmp_path: Path) -> None:
    """`--drive none`, ended before the user's own traffic began."""
    run = create_run(tmp_path, "audit")
    save_audit(run, AuditBuilder())
    found = find_all(load_audit_evidence(run))
    assert "NO_REQUEST" in {each.code for each in found.notices}
    assert "NOT_ATTACHED" not in {each.code for each in found.notices}


def test_each_method_of_a_route_has_its_own_threads() -> None:
    """GET is `async def`, POST is `def`; a websocket has no method."""
    audit = AuditBuilder()
    for method, kind in (("GET", "loop"), ("POST", "anyio-worker"), (None, "loop")):
        audit.handle(
            "/items", method=method, thread_kind=kind, thread_id=1, arrived_s=1.0, sent_s=2.0
        )
    table = build_routes_table(audit.build(), most=3)
    assert [each.name for each in table.rows if not each.extra] == [
        "GET /items on 1 event loop", "POST /items on 1 pool thread", "/items on 1 event loop",
    ]  # fmt: skip
    assert [each.name for each in build_routes_table(audit.build(), most=2).rows if each.extra]
