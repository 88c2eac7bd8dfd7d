"""`study compare` of two audits: new, gone, worse and better findings, and unknown changes."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import AuditFinding, AuditFindings, find_all
from analysis.findings.base import UncheckedRoute
from analysis.findings.recognition import FindingSite, pair_sites
from analysis.report.audit_comparison import build_changes_table, count_changes
from analysis.report.table import WIDTH, render_terminal
from analysis.summary.audit_changes import CHANGED, Change, compare_findings
from records.rundir import create_run
from study.cli import main
from tests.unit.audit_samples import AuditBuilder, endpoint, save_audit
from tests.unit.ci_samples import SCOPE, findings, gather
from tests.unit.finding_samples import SampleBlock, SampleKill

BLOCK = SampleBlock(
    severity="warning", confidence="high", route="/read", phase="endpoint", file="main.py",
    line=20, function="read", call="time.sleep", cause="wait", seconds=9.0, median_ms=100.0,
    longest_ms=120.0,
)  # fmt: skip
MIRROR: dict[Change, Change] = {
    "new": "gone", "gone": "new", "worse": "better", "better": "worse", "new route": "not asked",
    "not asked": "new route",
}  # fmt: skip


def compare(a: AuditFindings, b: AuditFindings) -> list[Change]:
    return [each.change for each in compare_findings(a, b)]


def compare_one(before: Sequence[AuditFinding], after: Sequence[AuditFinding]) -> Change:
    (change,) = compare(gather(before), gather(after))
    return change


def test_worse_is_a_longer_median_and_a_longer_longest_whatever_the_seconds() -> None:
    """Total seconds grow with the number of an audit's requests."""
    slower = replace(BLOCK, median_ms=100 * CHANGED, longest_ms=120 * CHANGED, line=99)
    assert compare_one([BLOCK], [slower]) == "worse"
    assert compare_one([slower], [BLOCK]) == "better"
    assert compare_one([BLOCK], [replace(BLOCK, seconds=900.0)]) == "similar"
    assert compare_one([BLOCK], [replace(slower, longest_ms=120.0)]) == "similar"
    assert compare_one([BLOCK], [replace(slower, median_ms=100.0)]) == "similar"


def test_what_has_no_times_is_in_both() -> None:
    kill = SampleKill(severity="error", confidence="high", count=2)
    assert compare_one([kill], [replace(kill, count=9)]) == "in both"


def test_what_an_audit_could_not_find_is_neither_new_nor_gone() -> None:
    with_it, without = gather([BLOCK]), gather([])
    assert (compare(with_it, without), compare(without, with_it)) == (["gone"], ["new"])
    unasked = replace(without, scope=replace(SCOPE, routes=("/pay",)))
    assert (compare(with_it, unasked), compare(unasked, with_it)) == (["not asked"], ["new route"])
    unknown = gather([replace(BLOCK, route=None)])
    assert (compare(unknown, unasked), compare(unasked, unknown)) == (["not asked"], ["new route"])
    assert (compare(unknown, without), compare(without, unknown)) == (["gone"], ["new"])
    cut = replace(without, scope=replace(SCOPE, is_cut=True))
    assert (compare(with_it, cut), compare(cut, with_it)) == (["not seen"], ["not seen"])
    outside = replace(without, scope=replace(SCOPE, processes=0))
    assert (compare(with_it, outside), compare(outside, with_it)) == (["not seen"], ["not seen"])
    older = replace(without, scope=replace(SCOPE, sees_waits=False))
    assert compare(with_it, older) == ["gone"]
    kills = gather([SampleKill(severity="error", confidence="high")])
    assert compare(kills, older) == ["not seen"]


def test_a_block_at_startup_is_there_whatever_was_requested() -> None:
    with_it = gather([replace(BLOCK, route=None, phase="startup")])
    failed = (UncheckedRoute("GET", "/pay", 4, 4, "500"),)
    other = replace(gather([]), scope=replace(SCOPE, routes=("/pay",), unchecked=failed))
    assert (compare(with_it, other), compare(other, with_it)) == (["gone"], ["new"])


@given(st.lists(findings, max_size=6), st.lists(findings, max_size=6))
def test_every_finding_is_in_one_row_and_the_other_way_round_says_the_contrary(
    a: list[AuditFinding], b: list[AuditFinding]
) -> None:
    there = compare_findings(gather(a), gather(b))
    sites = {FindingSite.locate(each) for each in (*a, *b)}
    assert {each.site for each in there} <= sites
    assert sum(each.before is not None for each in there) == len(
        {FindingSite.locate(each) for each in a}
    )
    assert sum(each.after is not None for each in there) == len(
        {FindingSite.locate(each) for each in b}
    )
    exact = [each for each in there if None not in each.site[3:]]
    back = {each.site: each.change for each in compare_findings(gather(b), gather(a))}
    if all(None not in site[3:] for site in sites):
        assert all(back[each.site] == MIRROR.get(each.change, each.change) for each in exact)


@given(st.lists(findings, max_size=6))
def test_an_audit_is_similar_to_itself(found: list[AuditFinding]) -> None:
    assert set(compare(gather(found), gather(found))) <= {"similar", "in both"}


def test_a_route_that_one_audit_does_not_know_is_the_other_s() -> None:
    known, unknown = FindingSite.locate(BLOCK), FindingSite.locate(replace(BLOCK, route=None))
    assert pair_sites([known], [unknown]) == ((known, unknown),)
    assert pair_sites([unknown], [known, unknown]) == ((unknown, unknown), (None, known))
    assert compare_one([BLOCK], [replace(BLOCK, route=None)]) == "similar"


def build_sides() -> tuple[AuditBuilder, AuditBuilder]:
    before, after = AuditBuilder(), AuditBuilder()
    for turn in range(4):
        before.block(float(turn), 0.2, [endpoint("build", 17)] * 3)
        after.block(float(turn), 0.21, [endpoint("build", 19)] * 3)  # its line moved
        before.block(turn + 0.3, 0.2, [endpoint("export", 30)] * 3, route="/export")
        before.block(turn + 0.6, 0.2, [endpoint("pay", 40)] * 3, route="/pay")
        after.block(turn + 0.6, 0.05, [endpoint("ping", 50)] * 3, route="/ping")
    after.ask("/export", 1.0, 1.1)
    return before, after


def test_two_audits_side_by_side_fit_a_terminal_and_the_answer_is_a_count() -> None:
    changes = compare_findings(*(find_all(each.build()) for each in build_sides()))
    table = build_changes_table(changes)
    assert {row.name: row.cells[-1] for row in table.rows if row.cells} == {
        "main.py ping": "new route",
        "main.py export": "gone",
        "main.py build": "similar",
        "main.py pay": "not asked",
    }
    assert max(map(len, render_terminal(table))) <= WIDTH
    assert count_changes(changes) == (
        "Findings of B compared with A: 1 new route, 1 gone, 1 similar, 1 not asked."
    )
    assert count_changes(()) == "Neither audit has a finding."


def test_recorded_audits_are_compared_as_text_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for audit in build_sides():
        run = create_run(tmp_path, "audit")
        save_audit(run, audit)
        paths.append(str(run.path))
    assert main(["compare", *paths]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[-1].startswith("Findings of B compared with A: 1 new route")
    assert "differ" not in text
    assert main(["compare", *paths, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    gone = next(each for each in content["findings"] if each["change"] == "gone")
    assert (gone["code"], gone["name"], gone["after"]) == ("LOOP_BLOCKED", "export", None)
    assert gone["before"]["longest_ms"] == pytest.approx(200.0)  # up to float rounding
    assert main(["compare", *paths, "--html", str(tmp_path / "x.html")]) == 2
    assert "--html does not support audits" in capsys.readouterr().err


def test_what_is_unlike_besides_the_code_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [create_run(tmp_path, "audit") for _ in range(2)]
    audits = build_sides()
    audits[1].phases = tuple(replace(each, users=50) for each in audits[1].phases)
    for run, audit in zip(runs, audits, strict=True):
        save_audit(run, audit)
    assert main(["compare", *(str(each.path) for each in runs)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "These audits differ in more than their code: users: 2 in A, 50 in B." in text
