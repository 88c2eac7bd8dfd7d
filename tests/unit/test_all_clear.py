"""What a probe did not record is said, and no threshold is kept by it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.findings import AuditEvidence, find_all, load_audit_evidence
from analysis.findings.finding_threshold import (
    FindingGate,
    judge_findings,
    parse_finding_threshold,
)
from analysis.report.findings_table import write_answer
from analysis.report.sarif import list_blind_notices
from records.audit import JournalRecord, Phase
from records.journal import MORE
from records.rows import PROBE
from records.rundir import create_run
from tests.unit.audit_samples import PID, AuditBuilder, endpoint, make_table, save_audit


def list_codes(evidence: AuditEvidence) -> list[str]:
    return [each.code for each in find_all(evidence).notices]


def judge(evidence: AuditEvidence, threshold: str) -> str | None:
    """Why the threshold is unknown; None if it is kept. It is never exceeded here."""
    gate = FindingGate((parse_finding_threshold(threshold),))
    (outcome,) = judge_findings(find_all(evidence), gate)
    assert outcome.failing == ()
    return outcome.why


def load(folder: Path, audit: AuditBuilder) -> AuditEvidence:
    run = create_run(folder, "audit")
    save_audit(run, audit)
    return load_audit_evidence(run)


def build_quiet_audit() -> AuditBuilder:
    audit = AuditBuilder()
    for turn in range(4):
        audit.ask("/report", float(turn), turn + 0.01)
    return audit


def test_lost_journals_keep_no_threshold() -> None:
    evidence = build_quiet_audit().build()
    assert judge(evidence, "info") is None
    record = replace(evidence.record, journals_lost=("probe-7-1.5.journal",))
    assert judge(replace(evidence, record=record), "info") is not None


def test_a_full_table_of_texts_keeps_no_threshold(tmp_path: Path) -> None:
    audit = build_quiet_audit()
    audit.block(1.0, 0.5, [endpoint("read", 17)] * 4)
    for each in audit.stacks:
        each["stack"] = MORE
    audit.stacks[0]["stack"] = json.dumps([])
    evidence = load(tmp_path, audit)
    assert "table of texts was full" in (judge(evidence, "blocked>50ms") or "")
    (said,) = [each.message for each in find_all(evidence).notices if each.code == "UNEXPLAINED"]
    assert "longer audit" not in said


def test_a_block_beside_a_thread_that_computes_keeps_no_threshold_below_it(tmp_path: Path) -> None:
    """Each route called time.sleep(0.3); a thread that always computes made it a tick."""
    audit = build_quiet_audit()
    for turn in range(4):
        audit.block(
            turn + 0.1, 0.3, [endpoint("read", 17)] * 10, unseen_s=0.1, holder_cpu_s=0.29,
            holder_thread=5,
        )  # fmt: skip
    evidence = load(tmp_path, audit)
    found = find_all(evidence)
    assert not found.findings
    (said,) = [each for each in found.notices if each.code == "GIL_SHARED"]
    assert said.message.startswith("The event loop was blocked for 1.2 s while another thread")
    assert said.longest_ms == pytest.approx(300)
    for threshold in ("blocked>50ms", "LOOP_BLOCKED", "warning", "error"):
        assert judge(evidence, threshold) == said.message  # 12 % of the time is an error
    for threshold in ("blocked>310ms", "waited>50ms", "POOL_WAIT"):
        assert judge(evidence, threshold) is None
    assert write_answer(found).endswith("another thread computed meanwhile.")
    assert [each["message"] for each in list_blind_notices(found)] == [{"text": said.message}]
    assert not [each for each in found.notices if each.code == "UNEXPLAINED"]


def test_many_short_blocks_beside_a_thread_that_computes_are_said_too(tmp_path: Path) -> None:
    audit = build_quiet_audit()
    for turn in range(20):
        audit.block(
            turn / 4 + 0.1, 0.04, [endpoint("read", 17)] * 4, unseen_s=0.013, holder_cpu_s=0.039,
            holder_thread=5,
        )  # fmt: skip
    evidence = load(tmp_path, audit)
    found = find_all(evidence)
    assert [each.code for each in found.notices if each.seconds] == ["GIL_SHARED"]
    assert judge(evidence, "blocked>50ms") is None
    assert judge(evidence, "blocked>20ms") is not None
    assert "no code that blocks" not in write_answer(found)


def test_a_short_phase_of_a_long_audit_may_hide_an_error() -> None:
    """Half of the time in which /report is called, and 2 % of the audit's."""
    audit = build_quiet_audit()
    audit.phases = Phase("alone", 0.0, 5.0, 1, ("/report",)), Phase("rest", 5.0, 120.0, 1, ("/",))
    for each in audit.asked:
        each["phase"] = "alone"
    for turn in range(40):
        audit.block(
            turn / 8, 0.06, [endpoint("read", 17)], unseen_s=0.02, holder_cpu_s=0.059,
            holder_thread=5,
        )  # fmt: skip
    evidence = audit.build()
    evidence = replace(evidence, record=replace(evidence.record, ended_s=120.0))
    (said,) = [each for each in find_all(evidence).notices if each.code == "GIL_SHARED"]
    assert said.share == pytest.approx(40 * 0.06 / 5.0)
    assert judge(evidence, "error") == said.message
    stretches = tuple(replace(each, route=None) for each in evidence.stretches)
    assert judge(replace(evidence, stretches=stretches), "error") == said.message


def test_the_blocks_of_one_request_count_together() -> None:
    audit = build_quiet_audit()
    for turn in range(3):
        audit.block(
            turn + 0.1, 0.05, [endpoint("read", 17)] * 3, visit=1, unseen_s=0.017,
            holder_cpu_s=0.049, holder_thread=5,
        )  # fmt: skip
    evidence = audit.build()
    assert judge(evidence, "blocked>140ms") is not None
    assert judge(evidence, "blocked>160ms") is None


def test_without_the_gil_no_threshold_is_kept() -> None:
    evidence = build_quiet_audit().build()
    (process,) = evidence.record.processes
    free = replace(process, free_threaded=True, gil=False)
    evidence = replace(evidence, record=replace(evidence.record, processes=(free,)))
    assert "reads no stacks" in (judge(evidence, "blocked>50ms") or "")
    assert "no code that blocks" not in write_answer(find_all(evidence))


@pytest.mark.parametrize(("route", "codes"), [(MORE, ["PATHS_FULL"]), ("/a", [])])
def test_paths_that_were_not_kept_hide_no_block(
    route: str, codes: list[str], tmp_path: Path
) -> None:
    """A client invents them; a request to them blocks like any other, and its stack is kept."""
    audit = build_quiet_audit()
    audit.handle(route)
    evidence = load(tmp_path, audit)
    assert [each for each in list_codes(evidence) if each.endswith("FULL")] == codes
    assert judge(evidence, "blocked>50ms") is None


@pytest.mark.parametrize(
    ("is_closed", "stopped", "codes"),
    [
        (True, None, []),
        (False, None, ["RECORDING_STOPPED"]),
        (True, "KeyError in waits.py:7", ["RECORDING_STOPPED"]),
    ],
)
def test_a_process_that_ended_in_order_lost_no_record(
    is_closed: bool, stopped: str | None, codes: list[str]
) -> None:
    evidence = build_quiet_audit().build()
    process = replace(evidence.record.processes[0], stopped=stopped)
    journals = (JournalRecord(PID, is_closed=is_closed),)
    evidence = replace(
        evidence,
        samples=make_table([{"pid": PID, "at_s": 4.0, "heartbeat_age_s": 0.0}], PROBE),
        record=replace(evidence.record, journals=journals, processes=(process,)),
    )
    assert list_codes(evidence) == codes


@pytest.mark.parametrize(("began_s", "is_known"), [(8.0, False), (-1.0, True), (None, True)])
def test_a_load_whose_first_rows_were_removed_keeps_no_threshold(
    began_s: float | None, is_known: bool
) -> None:
    """The load begins at 0 s and ends at 10 s."""
    evidence = build_quiet_audit().build()
    record = replace(evidence.record, journals=(JournalRecord(PID, began_s=began_s),))
    why = judge(replace(evidence, record=record), "blocked>50ms")
    assert (why is None) == is_known
    assert is_known or "the last 2.0 s" in (why or "")


@pytest.mark.parametrize(
    ("tables", "unknown"),
    [
        (("blocks", "block_stacks"), {"blocked", "waited"}),
        (("handovers",), {"waited"}),
        ((), set[str]()),
    ],
)
def test_what_was_not_recorded_keeps_no_threshold(
    tables: tuple[str, ...], unknown: set[str]
) -> None:
    evidence = build_quiet_audit().build()
    record = replace(evidence.record, journals=(JournalRecord(PID, unrecorded=tables),))
    evidence = replace(evidence, record=record)
    said = {each: judge(evidence, f"{each}>50ms") for each in ("blocked", "waited")}
    assert {each for each, why in said.items() if why} == unknown
    answer = write_answer(find_all(evidence))
    assert ("blocks the event loop" in answer) == ("blocks" not in tables)
    assert ("thread pool" in answer) == ("handovers" not in tables)
