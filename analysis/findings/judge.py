"""All findings of an audit, and findings.json."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

from analysis import findings
from analysis.findings.base import AuditFinding, AuditFindings, AuditScope
from analysis.findings.evidence import AuditEvidence
from analysis.findings.matrix import charge_findings
from analysis.findings.notices import CUT, HIDDEN, has_stacks, list_limits
from analysis.findings.trials.concern import attach_trials
from analysis.findings.trials.judge_trial import judge_trial
from analysis.findings.unchecked_routes import list_unchecked_routes

SCHEMA = 1
"""The version of findings.json."""


def find_all(evidence: AuditEvidence) -> AuditFindings:
    """Run every finding class of this package on the evidence."""
    found = [each.find(evidence) for each in list_findings()]
    charged, matrix = charge_findings(
        [finding for part in found for finding in part.findings], evidence
    )
    cured = (cure_finding(each, evidence) for each in charged)
    tried = tuple(judge_trial(each, evidence.rounds) for each in evidence.record.trials)
    notices = (*(notice for part in found for notice in part.notices), *list_limits(evidence))
    codes = {each.code for each in notices}
    return AuditFindings(
        findings=attach_trials(sort_findings(cured), tried),
        notices=notices,
        blocked_s=sum(each.blocked_s for each in found),
        excused_s=sum(each.excused_s for each in found),
        unexplained_s=sum(each.unexplained_s for each in found),
        scope=replace(
            measure_scope(evidence), hides_blocks=HIDDEN in codes, is_cut=bool(CUT & codes)
        ),
        matrix=matrix,
        trials=tried,
    )


def cure_finding(finding: AuditFinding, evidence: AuditEvidence) -> AuditFinding:
    cure = finding.propose_cure(evidence)
    return replace(
        finding,
        cure=None if isinstance(cure, str) else cure,
        uncured=cure if isinstance(cure, str) else None,
    )


def measure_scope(evidence: AuditEvidence) -> AuditScope:
    """Use the clients' rows; for the user's own traffic, the app's rows."""
    rows = evidence.asked if evidence.asked.height else evidence.handlers
    return AuditScope(
        requests=rows.height,
        routes=tuple(rows.drop_nulls("route").unique(("method", "route"))["route"].sort()),
        span_s=evidence.record.ended_s,
        processes=evidence.count_processes(),
        sees_blocks=not evidence.lacks("blocks") and has_stacks(evidence),
        sees_waits=not evidence.lacks("handovers"),
        unchecked=list_unchecked_routes(evidence),
    )


def sort_findings(found: Iterable[AuditFinding]) -> tuple[AuditFinding, ...]:
    """Sort the worst first."""

    def rank(each: AuditFinding) -> tuple[float, float, str, str, int]:
        place = each.route or "", each.file or "", each.line or 0
        return (-each.taken_s, -(each.seconds or 0.0), *place)

    return tuple(sorted(found, key=rank))


def export_findings(found: AuditFindings) -> dict[str, object]:
    """Build the content of findings.json."""
    return {
        "schema": SCHEMA,
        "findings": [each.export() for each in found.findings],
        "notices": [asdict(each) for each in found.notices],
        "matrix": asdict(found.matrix),
        "trials": [asdict(each) for each in found.trials],
    }


@cache
def list_findings() -> tuple[type[AuditFinding], ...]:
    """List the finding classes, sorted by code."""
    for each in walk_packages(findings.__path__, f"{findings.__name__}."):
        import_module(each.name)
    kinds = iterate_leaves(AuditFinding.__subclasses__())
    return tuple(sorted(kinds, key=lambda each: each.code))


def iterate_leaves(kinds: Iterable[type[AuditFinding]]) -> Iterator[type[AuditFinding]]:
    """Yield the classes without subclasses: findings may share a base."""
    for each in kinds:
        yield from iterate_leaves(each.__subclasses__()) if each.__subclasses__() else (each,)
