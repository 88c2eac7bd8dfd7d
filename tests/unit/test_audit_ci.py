"""--fail-on and --baseline: what fails, what is already known, and the exit code."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import AuditFinding, AuditFindings, Notice
from analysis.findings.base import AuditScope
from analysis.findings.baseline import Baseline, KnownAudit, KnownFinding, read_baseline
from analysis.findings.finding_threshold import (
    BLIND,
    FindingGate,
    judge_findings,
    parse_finding_threshold,
)
from analysis.findings.judge import list_findings
from analysis.findings.waits.executor_wait import ExecutorWait
from analysis.findings.waits.pool_wait import PoolWait
from analysis.findings.waits.queue_wait import QueueWait
from analysis.report.audit_outcomes import describe_finding_outcome
from records.rundir import create_run
from scenarios.errors import UserError
from study.cli import main
from tests.unit.audit_samples import AuditBuilder, endpoint, save_audit
from tests.unit.ci_samples import findings, gather, save_baseline
from tests.unit.finding_samples import SampleBlock, SampleKill, SamplePoolWait

BLOCK = SampleBlock(
    severity="warning", confidence="high", route="/read", phase="endpoint", file="main.py",
    line=20, function="read", call="time.sleep", cause="wait", longest_ms=120.0,
)  # fmt: skip

SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample-run"


def remember(*found: AuditFinding) -> Baseline:
    known = [
        KnownFinding(each.code, each.route, each.phase, each.file, each.function, each.call)
        for each in found
    ]
    return Baseline((KnownAudit(tuple(known), 1, ()),))


def fail(text: str, *found: AuditFinding) -> bool:
    (outcome,) = judge_findings(gather(found), FindingGate((parse_finding_threshold(text),)))
    return bool(outcome.failing)


def test_a_bound_is_a_longest_time_of_one_request() -> None:
    assert fail("blocked>50ms", BLOCK)
    assert fail("blocked > 0.1s", BLOCK)
    assert not fail("blocked>120ms", BLOCK)
    assert not fail("blocked>50ms", replace(BLOCK, phase="startup"))
    assert not fail("waited>50ms", BLOCK)


@pytest.mark.parametrize("kind", [PoolWait, ExecutorWait])
def test_a_wait_fails_where_a_client_waits(kind: type[QueueWait]) -> None:
    wait = kind(
        severity="info", confidence="high", longest_ms=300.0, queue="anyio", setter=None,
        capacity=40.0, in_use=40.0, loop_ms=0.0, is_after=False,
    )  # fmt: skip
    assert fail("waited>200ms", wait)
    assert not fail("waited>300ms", wait)
    assert not fail("waited>200ms", replace(wait, is_after=True))
    assert not fail("blocked>200ms", wait)


def test_a_severity_fails_with_it_and_with_worse() -> None:
    assert [fail(each, BLOCK) for each in ("error", "warning", "info")] == [False, True, True]


def test_a_code_fails_with_its_findings_alone() -> None:
    kill = SampleKill(severity="error", confidence="high")
    assert [fail(each, kill) for each in ("WORKER_KILLED", "LOOP_BLOCKED")] == [True, False]
    assert not any(fail(each.code) for each in list_findings())


def list_failing(text: str, found: list[AuditFinding]) -> tuple[AuditFinding, ...]:
    (outcome,) = judge_findings(gather(found), FindingGate((parse_finding_threshold(text),)))
    return outcome.failing


@given(st.lists(findings, max_size=6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_stricter_threshold_fails_no_less(
    found: list[AuditFinding], bound_ms: int, more_ms: int
) -> None:
    for measure in ("blocked", "waited"):
        strict, loose = (
            list_failing(f"{measure}>{each}ms", found) for each in (bound_ms, bound_ms + more_ms)
        )
        assert set(loose) <= set(strict)
    errors, warnings, every = (list_failing(each, found) for each in ("error", "warning", "info"))
    assert set(errors) <= set(warnings) <= set(every) == set(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it takes a severity"),
        ("errors", "did you mean error?"),
        ("loop_blocked", "did you mean LOOP_BLOCKED?"),
        ("LOOP_BLOKED", "did you mean LOOP_BLOCKED?"),
        ("blocking>50ms", "did you mean blocked>50ms?"),
        ("blocked>50", "with its unit"),
        ("blocked>-5ms", "with its unit"),
        ("blocked>=5ms", "with its unit"),
        ("blocked<50ms", "did you mean blocked>50ms?"),
        ("error, warning", "did you mean error?"),
        ("fast", "it takes a severity"),
    ],
)
def test_what_fail_on_cannot_read_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UserError, match="--fail-on") as refused:
        parse_finding_threshold(text)
    assert said in str(refused.value)
    assert (refused.value.exit_code, "\n" in str(refused.value)) == (2, False)


@given(st.lists(findings, max_size=8), st.integers(-5, 50))
def test_an_audit_has_nothing_new_against_itself_though_its_lines_moved(
    found: list[AuditFinding], shift: int
) -> None:
    moved = [replace(each, line=each.line and max(1, each.line + shift)) for each in found]
    assert remember(*found).find_new(gather(moved).findings) == ()


@given(st.lists(findings, max_size=8))
def test_without_a_known_finding_all_are_new(found: list[AuditFinding]) -> None:
    everything = gather(found).findings
    assert Baseline().find_new(everything) == everything


@given(st.lists(findings, max_size=6), st.lists(findings, max_size=6))
def test_what_more_is_known_makes_nothing_new(
    found: list[AuditFinding], more: list[AuditFinding]
) -> None:
    now = gather(found).findings
    few, many = (remember(*known).find_new(now) for known in (more[:3], more))
    assert all(each in few for each in many)


def test_a_second_call_in_a_known_function_is_new_and_another_name_of_the_first_is_not() -> None:
    second = replace(BLOCK, call="requests.get", line=22)
    assert remember(BLOCK).find_new([BLOCK, second]) == (second,)
    assert remember(BLOCK).find_new([second]) == ()


def test_what_one_of_several_audits_has_is_known_and_two_are_not_twice_as_much() -> None:
    other, second = replace(BLOCK, function="pay"), replace(BLOCK, call="requests.get", line=22)
    both = Baseline((*remember(BLOCK).audits, *remember(other).audits))
    assert both.find_new([BLOCK, other]) == ()
    twice = Baseline(remember(BLOCK).audits * 2)
    assert twice.find_new([BLOCK, second]) == (second,)


def test_a_route_that_one_audit_does_not_know_is_no_other_route() -> None:
    unknown, other = replace(BLOCK, route=None), replace(BLOCK, route="/pay")
    assert remember(unknown).find_new([BLOCK]) == ()
    assert remember(BLOCK).find_new([unknown]) == ()
    assert remember(BLOCK).find_new([other]) == (other,)


def test_known_findings_fail_nothing_and_are_counted() -> None:
    gate = FindingGate((parse_finding_threshold("info"),), remember(BLOCK))
    (outcome,) = judge_findings(gather([BLOCK]), gate)
    assert (outcome.failing, outcome.known) == ((), 1)
    said = "✓ --fail-on info: no new findings; 1 baseline finding is left out"
    assert describe_finding_outcome(outcome) == said
    new = replace(BLOCK, function="pay", file="pay.py")
    (outcome,) = judge_findings(gather([BLOCK, new]), gate)
    assert outcome.failing == (new,)
    assert describe_finding_outcome(outcome) == (
        "✗ --fail-on info: pay.py:20 pay, /read (endpoint): loop blocked: wait, at most 120 ms"
    )


@pytest.mark.parametrize("code", BLIND)
def test_an_audit_that_saw_too_little_keeps_no_threshold(code: str) -> None:
    gate = FindingGate((parse_finding_threshold("error"),))
    (outcome,) = judge_findings(replace(gather([]), notices=(Notice(code, "Half."),)), gate)
    assert describe_finding_outcome(outcome) == "? --fail-on error: unknown. Half."
    (outcome,) = judge_findings(AuditFindings(scope=AuditScope(0, (), 1.0, 1)), gate)
    assert outcome.why == "The audit saw no request."


def save_blocked_audit(folder: Path, *functions: str) -> Path:
    run, audit = create_run(folder, "audit"), AuditBuilder()
    for turn in range(4):
        audit.ask("/report", float(turn), turn + 0.2)
        for place, function in enumerate(functions):
            stack = endpoint(function, 10 * place + 17)
            audit.block(turn + 0.3 * place, 0.2, [stack] * 4)
    save_audit(run, audit)
    return run.path


def run_report(*words: object) -> int:
    return main(["report", *map(str, words)])


def test_the_exit_code_is_1_where_a_threshold_is_not_kept_and_nowhere_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = save_blocked_audit(tmp_path, "build")
    assert run_report(audit) == 0
    assert run_report(audit, "--fail-on", "blocked>50ms", "--fail-on", "waited>1s") == 1
    last = capsys.readouterr().out.splitlines()[-2:]
    assert last[0].startswith("✗ --fail-on blocked>50ms: main.py:17 build, /report (endpoint)")
    assert last[1] == "✓ --fail-on waited>1s: no findings"
    assert "✗ --fail-on blocked\\>50ms: main.py:17" in (audit / "summary.md").read_text()
    (audit / "cells" / "audit" / "handovers.parquet").unlink()
    assert run_report(audit, "--fail-on", "blocked>1s") == 3
    assert run_report(audit, "--fail-on", "blocked>50ms") == 1


def test_only_what_is_new_since_the_baseline_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = save_blocked_audit(tmp_path, "build")
    assert run_report(before) == 0
    known = before / "findings.json"
    gate = "--fail-on", "info", "--baseline", known
    assert run_report(before, *gate) == 0
    after = save_blocked_audit(tmp_path, "start", "build")  # its line moved
    capsys.readouterr()
    assert run_report(after, *gate) == 1
    assert "main.py:17 start" in capsys.readouterr().out.splitlines()[-1]
    (sarif_run,) = json.loads((after / "findings.sarif").read_text())["runs"]
    states = {each["message"]["text"]: each["baselineState"] for each in sarif_run["results"]}
    assert sorted(states.values()) == ["new", "unchanged"]
    assert "| main.py:17 start (new) |" in (after / "summary.md").read_text()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"findings": 3}', b"\xff\xfe", b"null"])
def test_a_damaged_baseline_is_one_line_before_anything_starts(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "findings.json"
    file.write_bytes(content)
    out = tmp_path / "out"
    assert main(["audit", "--baseline", str(file), "--out", str(out), "main:app"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"study: --baseline {file} is not ")
    assert not out.exists()


def test_a_baseline_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be read: No such file"):
        read_baseline([tmp_path / "none.json"])
    with pytest.raises(UserError, match="it is a folder; name a file in it"):
        read_baseline([tmp_path])


def test_what_an_audit_wrote_is_a_baseline(tmp_path: Path) -> None:
    found = [BLOCK, SamplePoolWait(severity="error", confidence="low", route="/pay")]
    file = save_baseline(tmp_path / "findings.json", found)
    assert read_baseline([file]).find_new(gather(found).findings) == ()


@pytest.mark.parametrize("option", [("--fail-on", "error"), ("--baseline", "known.json")])
@pytest.mark.parametrize("other", [("--url", "http://127.0.0.1:9"), ("--plan", "main:app")])
def test_a_threshold_that_cannot_be_judged_is_refused_before_anything_starts(
    option: tuple[str, str],
    other: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert main(["audit", *option, "--out", str(out), *other]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--fail-on, --baseline: an audit with --url or --plan has no findings" in line
    assert not out.exists()


def test_a_threshold_that_is_none_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["audit", "--fail-on", "oops", "--out", str(out), "main:app"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not out.exists()


def test_a_run_that_is_no_audit_has_no_findings_to_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_report(SAMPLE, "--fail-on", "error") == 2
    assert "--fail-on and --baseline are for an audit" in capsys.readouterr().err


def test_a_baseline_that_may_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="it is not a regular file"):
        read_baseline([tmp_path / "pipe"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"schema": 1, "kind": "audit"}', "findings: "),
        ('{"schema": 1, "findings": [], "differences": []}', "notices: "),
        ('{"schema": 2, "findings": [], "notices": []}', "its schema is 2, this version reads"),
    ],
    ids=["a manifest", "a comparison", "a newer schema"],
)
def test_another_json_of_this_tool_is_no_baseline(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "findings.json"
    file.write_text(content)
    with pytest.raises(UserError, match=said):
        read_baseline([file])
