"""The model of an audit reproduces its records, or predicts nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.findings import AuditEvidence, find_all
from analysis.findings.blocks.loop_blocked import LoopBlocked
from analysis.findings.remedies import Cure, CureRule
from analysis.theory.audit.causes import AuditedService
from analysis.theory.audit.changes import NO_CURE, find_change
from analysis.theory.audit.edits import ELSEWHERE
from analysis.theory.audit.forecast import forecast_users
from analysis.theory.audit.model import NO_CLIENTS, build_audit_model
from analysis.theory.audit.parts import AwaitedTime, LoopBlock, Part, ThreadCall, VisitDemand
from analysis.theory.audit.predictions import predict_findings
from records.audit import Phase
from records.rundir import create_run
from study.cli import main
from tests.unit.audit_samples import PID, AuditBuilder, endpoint, library, save_audit

BLOCK_S = 0.1
USERS, TURNS = 20, 5
SLEEP = [endpoint("report", 16, [library("time", "sleep")])] * 4
ALONE = Phase("GET /report, 1 user", 0.0, 1.0, 1, ("GET /report",))
TOGETHER = Phase("all routes, 20 users", 1.0, 1.0 + USERS * TURNS * BLOCK_S, USERS, ())


def build_blocked_service(answer_s: float = BLOCK_S) -> AuditBuilder:
    """One route that blocks the loop for 0.1 s: one user, ten times; then twenty users, who are
    served one after the other. answer_s: latency of each request with all users together."""
    audit = AuditBuilder(phases=(ALONE, TOGETHER))
    for number in range(10):
        ask(audit, ALONE, number * BLOCK_S, (number + 1) * BLOCK_S, 0)
    for number in range(USERS * TURNS):
        ended_s = TOGETHER.began_s + (number + 1) * answer_s
        started_s = max(TOGETHER.began_s, ended_s - USERS * answer_s)
        ask(audit, TOGETHER, started_s, ended_s, number % USERS)
    return audit


def ask(audit: AuditBuilder, phase: Phase, started_s: float, ended_s: float, user: int) -> None:
    arrived_s = ended_s - BLOCK_S
    audit.ask("/report", started_s, ended_s, phase=phase.name, user=user)
    audit.block(arrived_s, BLOCK_S, SLEEP)
    visit = len(audit.blocks)
    audit.handlers[-1] |= {"visit": visit, "arrived_s": arrived_s, "sent_s": ended_s}


def predict(evidence: AuditEvidence) -> LoopBlocked:
    (found,) = predict_findings(find_all(evidence), evidence, 2).findings
    assert isinstance(found, LoopBlocked)
    return found


def test_a_blocked_route_is_predicted_as_it_was_and_as_it_would_be() -> None:
    predicted = predict(build_blocked_service().build()).predicted
    assert predicted is not None
    assert (predicted.users, predicted.reason) == (USERS, None)
    (before,), (after,) = predicted.before, predicted.after
    assert before.route == "/report"
    assert before.rps == pytest.approx(10, rel=0.01)
    assert before.p50_ms == pytest.approx(1000 * USERS * BLOCK_S, rel=0.01)
    # by Little's law: twenty users, none of whom waits for another
    assert after.rps == pytest.approx(USERS / BLOCK_S, rel=0.02)
    assert after.p50_ms == pytest.approx(1000 * BLOCK_S, rel=0.01)


def test_a_model_that_misses_the_measurement_predicts_nothing() -> None:
    """With all users together, requests take twice as long as the block explains."""
    predicted = predict(build_blocked_service(2 * BLOCK_S).build()).predicted
    assert predicted is not None
    assert (predicted.before, predicted.after) == ((), ())
    assert predicted.reason is not None
    assert "the model does not fit this service" in predicted.reason
    assert "/report should have 10.0 requests/s but had 5.0" in predicted.reason


def test_blocks_that_lone_requests_met_unseen_predict_nothing() -> None:
    """Removing the recorded blocks would remove only a part of the work."""
    audit = build_blocked_service()
    short = [{**row, "ended_s": float(str(row["began_s"])) + 0.025} for row in audit.blocks]
    evidence = replace(audit, blocks=short[5:]).build()
    (found,) = find_all(evidence).findings
    change = find_change(found, evidence, 2)
    assert change.reason is not None
    assert "do not show it" in change.reason
    whole = replace(audit, blocks=short).build()
    (found,) = find_all(whole).findings
    assert find_change(found, whole, 2).reason is None


@pytest.mark.parametrize(
    ("rule", "trial", "cause", "parts"),
    [
        ("client-life", None, "compute", ()),
        ("one-blocks-all", None, "wait", (AwaitedTime(BLOCK_S),)),
        ("offload", None, "wait", (ThreadCall("anyio", BLOCK_S, (PID, 1)),)),
        ("cpu", "workers=2", "compute", (ThreadCall(ELSEWHERE, BLOCK_S, (PID, 1)),)),
        ("cpu", "offload=/report", "compute", None),  # a thread that computes with pauses
        ("offload", None, "gil", None),  # one sqlite3 connection per thread
        (None, None, "wait", None),
    ],
)
def test_the_model_changes_what_the_cure_changes(
    rule: CureRule | None, trial: str | None, cause: str, parts: tuple[Part, ...] | None
) -> None:
    evidence = build_blocked_service().build()
    (found,) = find_all(evidence).findings
    cure = Cure(None, None, (), (), "", rule, trial)
    change = find_change(replace(found, cure=cure, cause=cause), evidence, 2)
    visit = VisitDemand((LoopBlock(BLOCK_S, (PID, 1)),), 0.0)
    assert (change.reason is None) == (parts is not None)
    if parts is not None:
        assert change.edit.apply(visit).parts == parts
    assert find_change(replace(found, cure=None), evidence, 2).reason == NO_CURE


def test_without_clients_of_its_own_there_is_no_prediction() -> None:
    evidence = build_blocked_service().build()
    evidence = replace(evidence, asked=evidence.asked.clear())
    predicted = predict(evidence).predicted
    assert predicted is not None
    assert predicted.reason == NO_CLIENTS


def test_unanswered_requests_are_not_modelled() -> None:
    audit = build_blocked_service()
    for number in range(5):
        audit.ask("/report", 2.0 + number, None, phase=TOGETHER.name)
    predicted = predict(audit.build()).predicted
    assert predicted is not None
    assert predicted.reason == "5 of 105 requests got no response: the model has no failures"


def test_a_route_that_never_ran_alone_is_not_known() -> None:
    audit = build_blocked_service()
    for row in audit.asked[:10]:
        row["ended_s"] = None
    predicted = predict(audit.build()).predicted
    assert predicted is not None
    assert "ran alone" in (predicted.reason or "")


def test_a_prediction_is_part_of_findings_json() -> None:
    exported = predict(build_blocked_service().build()).export()
    assert json.loads(json.dumps(exported))["predicted"]["after"][0]["route"] == "/report"


@pytest.mark.parametrize("users", [1, 20, 100, 500])
def test_the_forecast_keeps_littles_law(users: int) -> None:
    evidence = build_blocked_service().build()
    audited = AuditedService(build_audit_model(evidence, 2), find_all(evidence), evidence, 2)
    found = forecast_users(audited, users)
    assert found.rps == pytest.approx(10, rel=0.01)
    assert found.rps * found.mean_ms / 1000 == pytest.approx(users, rel=0.02)
    assert sum(each.rps for each in found.levels) == pytest.approx(found.rps)
    if users == 1:
        assert found.causes == ()
    else:
        (first,) = found.causes
        assert first.finding is not None
        assert (first.finding.code, first.routes) == ("LOOP_BLOCKED", ("/report",))
        assert first.without_ms == pytest.approx(1000 * BLOCK_S, rel=0.01)


def test_the_command_names_the_first_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = create_run(tmp_path, "audit")
    save_audit(run, build_blocked_service())
    assert main(["predict", "--from", str(run.path), "--users", "500"]) == 0
    printed = capsys.readouterr().out
    assert "LOOP_BLOCKED at main.py:16 (/report)" in " ".join(printed.split())
    assert all(len(line) <= 80 for line in printed.splitlines())
    assert main(["predict", "--from", str(run.path), "--users", "10..100", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["users"] for each in found][::5] == [10, 100]
    assert [each["causes"][0]["finding"]["line"] for each in found] == [16] * len(found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--users", "5", "--cpu", "1ms"), "--cpu has no effect with --from"),
        (("sync-http", "--users", "5"), "a scenario has no effect with --from"),
        (("--users", "5", "--pool", "4"), "--pool has no effect with --from"),
        (("--users", "6000"), "at most 5000"),
        ((), "give --users too"),
    ],
)
def test_what_does_not_go_with_an_audit_is_refused(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = create_run(tmp_path, "audit")
    save_audit(run, build_blocked_service())
    assert main(["predict", "--from", str(run.path), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_an_audit_that_the_model_does_not_know_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = create_run(tmp_path, "audit")
    save_audit(run, build_blocked_service(2 * BLOCK_S))
    assert main(["predict", "--from", str(run.path), "--users", "500"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "no prediction" in line
