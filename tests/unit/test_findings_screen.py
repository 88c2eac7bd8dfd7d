"""An audit in the terminal: one screen, with the most important findings."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import AuditFindings, find_all
from analysis.findings.base import AuditScope, Notice
from analysis.findings.remedies import Cure, FailureChange, RouteChange, RouteLevel, Tried
from analysis.report.audit_overview import build_overview_table
from analysis.report.audit_routes import build_routes_table
from analysis.report.findings_screen import (
    CLOSING_LINES,
    MOST_ROUTES,
    SCREEN_LINES,
    render_audit,
    render_findings,
)
from analysis.report.table import WIDTH
from analysis.report.trial_lines import render_trials
from analysis.stats import formats
from records.audit import Phase
from records.rundir import create_run
from scenarios.errors import UserError
from study.report import rebuild_reports
from tests.process.support import ROOT
from tests.unit.audit_samples import AuditBuilder, endpoint, library, save_audit
from tests.unit.finding_samples import SampleFinding, SamplePoolWait

CURE = Cure("main.py", 3, ("    time.sleep(1)",), ("    await asyncio.sleep(1)",), "Await it.")
LONG = "Requests wait, and this sentence says why, in many words, so that it takes two lines or so."


def build_found(findings: int, notices: int = 0, text: str = LONG) -> AuditFindings:
    """The first is the worst, and has a cure."""
    found = [
        SampleFinding(
            severity="error", confidence="high", file="main.py", line=place, function="pay",
            route=f"/pay/{place}", seconds=100.0 - place, text=text,
        )
        for place in range(findings)
    ]  # fmt: skip
    if found:
        found[0] = replace(found[0], cure=CURE)
    return AuditFindings(
        findings=tuple(found),
        notices=tuple(Notice("WARNING", f"Notice {place}.") for place in range(notices)),
        scope=AuditScope(9, ("/read",), 60.0, 1),
    )


def list_shown(lines: Sequence[str], findings: int) -> list[int]:
    return [place for place in range(findings) if any(f"main.py:{place} pay" in x for x in lines)]


def test_findings_with_equal_rows_name_their_routes() -> None:
    one, *_ = build_found(1).findings
    other = replace(one, route="/refund")
    lines = render_findings(replace(build_found(1), findings=(one, other)), WIDTH)
    for route in ("/pay/0", "/refund"):
        assert any(each.startswith(f"main.py:0 pay, {route} ") for each in lines)
    unlike = render_findings(build_found(2), WIDTH)
    assert not any(each.startswith("main.py:0 pay, ") for each in unlike)


@given(st.integers(0, 15), st.integers(0, 8), st.integers(17, 40))
def test_what_has_room_is_shown_and_the_rest_is_counted(
    findings: int, notices: int, room: int
) -> None:
    """17 lines are enough for the headings, four findings, how many more there are, the notices'
    number, and the answer with its cure."""
    lines = render_findings(build_found(findings, notices), WIDTH, room=room)
    assert len(lines) <= room
    shown = list_shown(lines[: -lines[::-1].index("")] if "" in lines else lines, findings)
    assert shown == list(range(len(shown)))
    hidden = findings - len(shown), notices - sum(each.startswith("Notice ") for each in lines)
    parts = [f"{hidden[0]} more"] * (hidden[0] > 0)
    parts += [formats.count_things(hidden[1], "notice")] * (hidden[1] > 0)
    counted = [f"and {', '.join(parts)}: see -v and report.html"] if parts else []
    assert [each for each in lines if "see -v" in each] == counted
    if findings:
        assert lines[-3:] == [
            "Change main.py:3: Await it.", "    - time.sleep(1)", "    + await asyncio.sleep(1)",
        ]  # fmt: skip


BEFORE, AFTER = RouteLevel("/pay", 10.0, 300.0, 400.0), RouteLevel("/pay", 40.0, 75.0, 90.0)
WARNING = "what the threads call, such as a database, gets as many calls at once"


def try_changes(trials: int) -> tuple[Tried, ...]:
    """Each text needs three lines, and its short form one."""
    change = RouteChange("/pay", BEFORE, AFTER, 4.0, 3.0, 5.0)
    return tuple(
        Tried(f"pool={10 + place}", 3, (change,), warnings=(WARNING,)) for place in range(trials)
    )


@given(st.integers(2, 15), st.integers(1, 12), st.integers(18, 60))
def test_trials_take_no_more_than_a_screen_and_the_rest_is_counted(
    findings: int, trials: int, room: int
) -> None:
    """18 lines are enough for the headings, two findings, how many more there are, two trials, how
    many more there are, and the answer with its cure. The reader asked for the trials: two have a
    line before a third finding has one."""
    found = replace(build_found(findings), trials=try_changes(trials))
    lines = render_findings(found, WIDTH, room=room)
    assert len(lines) <= room
    shown = sum(each.startswith("--try pool=") for each in lines)
    assert shown >= min(2, trials)
    more = formats.count_things(trials - shown, "more trial")
    counted = [f"and {more}: see -v and report.html"] if shown < trials else []
    assert [each for each in lines if "more trial" in each] == counted
    whole = [each for each in render_findings(found, WIDTH) if "got 4.00 times faster (" in each]
    assert len(whole) == trials


def test_an_audit_with_trials_fits_a_screen() -> None:
    evidence = build_many_routes(30, ALONE).build()
    for trials in (2, 6):
        found = replace(find_all(evidence), trials=try_changes(trials))
        lines = render_audit(found, evidence, WIDTH)
        assert len(lines) + CLOSING_LINES <= SCREEN_LINES
        everything = render_audit(found, evidence, WIDTH, verbose=True)
        assert sum("got 4.00 times faster (3.00 to 5.00)" in each for each in everything) == trials


def test_a_trial_in_short_has_its_gain_its_loss_and_its_failures() -> None:
    gain = RouteChange("/pay", BEFORE, AFTER, 4.0, 3.0, 5.0)
    loss = RouteChange(f"/{'a' * 60}", AFTER, BEFORE, 0.25, 0.2, 0.3)
    tried = Tried("pool=9", 3, (gain, loss), (loss.route,), (FailureChange("/x", 0.0, 0.5),))
    said = " ".join(" ".join(render_trials([tried], 0)).split())
    assert said == (
        f"--try pool=9: /pay got 4.00 times faster; /{'a' * 14}…{'a' * 14} got 4.00 times slower; "
        "more requests of /x fail."
    )
    for reason, words in ((None, "no clear change."), ("it yields", "not measured.")):
        empty = Tried("pool=9", 3, reason=reason)
        assert render_trials([empty], 0) == [f"--try pool=9: {words}"]
    assert "300 ms before" in " ".join(render_trials([tried], 9))


def test_the_worst_has_its_sentence_before_others_have_theirs() -> None:
    found = build_found(4)
    order = replace(found, findings=(*found.findings[1:], found.findings[0]))
    for room in range(20, 31):
        lines = render_findings(order, WIDTH, room=room)
        long = [each for each in range(4) if any(f"/pay/{each}: Requests" in x for x in lines)]
        assert not long or 0 in long
    everything = render_findings(order, WIDTH)
    assert all(any(f"/pay/{each}: Requests" in line for line in everything) for each in range(4))


def test_the_worst_of_each_kind_is_shown_before_the_second_of_any() -> None:
    found = build_found(30)
    wait = SamplePoolWait(
        severity="error", confidence="high", file="main.py", line=77, function="pay", seconds=0.5
    )
    both = replace(found, findings=(*found.findings, wait))
    for room in (16, 30, 99):
        lines = render_findings(both, WIDTH, room=room)
        assert any("main.py:77 pay" in line for line in lines)
        assert list_shown(lines, 30)[:3] == [0, 1, 2]


def test_in_a_pipe_the_numbers_of_a_long_name_stand_below_each_other() -> None:
    found = build_found(2)
    long = replace(found.findings[1], file="package/of/many/modules.py", function="a_long_name")
    mixed = replace(found, findings=(found.findings[0], long))
    lines = render_findings(mixed, None)
    ends = [line.index("sample finding") for line in lines if "sample finding  " in line]
    assert len(ends) == 2
    assert ends == [lines[0].index("what happens")] * 2


def test_what_the_answer_lacks_is_said_in_any_case() -> None:
    found = build_found(9, notices=9)
    cut = Notice("INTERRUPTED", "The audit was cut short: Ctrl-C.")
    lines = render_findings(replace(found, notices=(*found.notices, cut)), WIDTH, room=10)
    assert cut.message in lines
    assert list_shown(lines, 9)[:3] == [0, 1, 2]


def test_verbose_shows_each_cure_below_its_finding_and_one_of_several_once() -> None:
    found = build_found(3)
    other = replace(CURE, line=4)
    cured = [
        replace(each, cure=one)
        for each, one in zip(found.findings, (CURE, CURE, other), strict=True)
    ]
    text = "\n".join(render_findings(replace(found, findings=tuple(cured)), WIDTH, verbose=True))
    for line in (3, 4):
        below = (
            f"  Change main.py:{line}: Await it.\n      - time.sleep(1)\n"
            "      + await asyncio.sleep(1)"
        )
        assert text.count(below) == 1
    assert text.index("main.py:0 pay") < text.index("  Change main.py:3") < text.index("main.py:1 ")


def build_many_routes(routes: int, phases: tuple[Phase, ...]) -> AuditBuilder:
    """Each is slower than the one before it."""
    audit = AuditBuilder()
    audit.phases = phases
    for each in range(routes):
        for turn in range(5):
            began_s = 1.0 + turn
            audit.ask(f"/r{each:02}", began_s, began_s + 0.1 + each / 100, phase=phases[0].name)
    for turn in range(5):
        stack = endpoint("build", 17, [library("socket", "readinto")])
        audit.block(1.0 + turn, 0.25, [stack] * 5, route="/r00")
    return audit


@given(st.integers(1, 200), st.integers(1, 200), st.booleans())
def test_long_names_never_make_a_line_longer_than_a_terminal(
    file: int, route: int, verbose: bool
) -> None:
    """The start and the end of a name distinguish it from others."""
    sample = SampleFinding(
        severity="error", confidence="high", file=f"{'a' * file}.py", line=7, function="pay",
        route=f"/{'b' * route}", seconds=1.0, cure=CURE,
    )  # fmt: skip
    found = replace(build_found(0), findings=(sample,))
    lines = render_findings(found, WIDTH, verbose=verbose)
    assert max(map(len, lines)) <= WIDTH
    assert any(".py:7 pay" in line for line in lines)


ALONE = (Phase("alone", 0.0, 10.0, 1, ("GET /r00",)),)
OWN = (Phase("own traffic", 0.0, 10.0, 20),)


def test_an_audit_of_many_routes_fits_a_screen() -> None:
    for phases in (ALONE, OWN):
        evidence = build_many_routes(30, phases).build()
        lines = render_audit(find_all(evidence), evidence, WIDTH)
        assert len(lines) + CLOSING_LINES <= SCREEN_LINES
        assert max(map(len, lines)) <= WIDTH
        assert any("GET /r29" in line for line in lines)
        assert not any("GET /r01" in line for line in lines)
        everything = render_audit(find_all(evidence), evidence, WIDTH, verbose=True)
        assert all(any(f"GET /r{n:02}" in line for line in everything) for n in range(30))


def test_routes_that_are_left_out_are_counted() -> None:
    evidence = build_many_routes(30, ALONE).build()
    table = build_overview_table(evidence, MOST_ROUTES)
    assert len(table.rows) == MOST_ROUTES
    assert table.notes[0] == "and 24 more routes: see -v"
    assert len(build_overview_table(evidence, 30).rows) == 30
    assert len(build_routes_table(evidence).rows) == 60


def test_an_audit_is_reported_again_with_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = create_run(tmp_path, "audit")
    save_audit(run, build_many_routes(9, ALONE))
    assert rebuild_reports(run.path) == 0
    short = capsys.readouterr().out
    assert rebuild_reports(run.path, verbose=True) == 0
    whole = capsys.readouterr().out
    assert "GET /r01" not in short
    assert "GET /r01" in whole
    assert "socket.py:1 readinto" not in short
    assert "socket.py:1 readinto" in whole


def test_a_run_that_is_no_audit_has_no_verbose_report() -> None:
    with pytest.raises(UserError, match="-v is for an audit"):
        rebuild_reports(ROOT / "docs" / "sample-run", verbose=True)
