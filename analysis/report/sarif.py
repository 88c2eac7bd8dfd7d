"""findings.sarif: the findings as line annotations, in the Static Analysis Results Interchange
Format 2.1.0 of OASIS.

A finding without a line in the user's code becomes a notification of the run: viewers reject an
annotation without a line.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.base import Severity, TokenHolder
from analysis.findings.baseline import Baseline
from analysis.findings.finding_threshold import BLIND, BLIND_TO_BLOCKS, BLIND_TO_WAITS
from analysis.findings.judge import list_findings
from analysis.findings.places import AWAY
from analysis.findings.recognition import FindingSite, group_by_site
from analysis.report.finding_words import format_place, format_route
from analysis.report.remedy_words import describe_cure, format_cure_place, list_changes
from records.audit import AuditRecord
from scenarios.units import Second

Object = dict[str, object]
SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "%SRCROOT%"
"""Base of all paths: the root of the repository or, without one, the user's folder."""
FINGERPRINT = "auditFinding/v1"
LEAST_SHARE = 0.01
"""Least share of all holders' thread-seconds."""
TAGS = ("asyncio", "performance")
LEVELS: Mapping[Severity, Literal["error", "warning", "note"]] = {
    "error": "error",
    "warning": "warning",
    "info": "note",
}


def export_sarif(
    found: AuditFindings, evidence: AuditEvidence, version: str, baseline: Baseline | None
) -> Object:
    """Return the content of findings.sarif. version: of this tool; empty if unknown."""
    record = evidence.record
    marks = mark_findings(found.findings, baseline)
    results, unplaced = [], []
    for each, mark in zip(found.findings, marks, strict=True):
        place = locate(each.file, each.line, record)
        if place is None:
            unplaced.append(build_notification(each))
        else:
            results.append(build_result(each, place, record) | mark)
    driver: Object = {"name": "study audit", "rules": build_rules()}
    root = "The service's folder." if record.folder_in_repository is None else "The repository."
    run: Object = {
        "tool": {"driver": driver | ({"version": version} if version else {})},
        "originalUriBaseIds": {ROOT: {"description": {"text": root}}},
        "invocations": [
            {
                "executionSuccessful": record.interrupted is None,
                "toolExecutionNotifications": [*unplaced, *list_blind_notices(found)],
            }
        ],
        "results": results,
    }
    return {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}


def mark_findings(found: Sequence[AuditFinding], baseline: Baseline | None) -> list[Object]:
    """Build each finding's fingerprint: its site and, among several there, its order by line."""
    new = None if baseline is None else baseline.find_new(found)
    sites = group_by_site(found)
    marks: list[Object] = []
    for each in found:
        site = FindingSite.locate(each)
        place = sum((one.line or 0) < (each.line or 0) for one in sites[site])
        mark: Object = {"partialFingerprints": {FINGERPRINT: f"{site.fingerprint}:{place}"}}
        state = "new" if new is not None and each in new else "unchanged"
        marks.append(mark if new is None else mark | {"baselineState": state})
    return marks


def build_rules() -> list[Object]:
    """Build a rule for each kind of finding. Each result gives its own severity."""
    return [build_rule(each) for each in list_findings()]


def build_rule(kind: type[AuditFinding]) -> Object:
    meaning, remedy = begin_sentence(kind.meaning), begin_sentence(kind.remedy)
    return {
        "id": kind.code,
        "name": kind.__name__,
        "shortDescription": {"text": begin_sentence(kind.clause)},
        "fullDescription": {"text": meaning},
        "help": {
            "text": f"{meaning} What to do: {remedy}",
            "markdown": f"{meaning}\n\n**What to do:** {remedy}",
        },
        "properties": {"tags": list(TAGS)},
    }


def begin_sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


def find_rule(found: AuditFinding) -> int:
    """Return the index of the finding's rule."""
    return [each.code for each in list_findings()].index(found.code)


def build_result(found: AuditFinding, place: Object, record: AuditRecord) -> Object:
    return {
        "ruleId": found.code,
        "ruleIndex": find_rule(found),
        "level": LEVELS[found.severity],
        "message": {"text": f"{format_route(found)}: {describe_with_cure(found)}"},
        "locations": [place],
        "relatedLocations": list(locate_holders(found.holders or (), record)),
        "properties": {
            name: getattr(found, name)
            for name in ("route", "phase", "cause", "confidence", "count", "seconds", "longest_ms")
        },
    }


def describe_with_cure(found: AuditFinding) -> str:
    """Describe what happened and the code change; without a change, what to do."""
    if found.cure is None:
        return found.message
    lines = (f"{sign} {line}".rstrip() for sign, line in list_changes(found.cure))
    place = format_cure_place(found.cure)
    change = f"Change {place}: " if place else ""
    return "\n".join((found.facts, f"{change}{describe_cure(found)}", *lines))


def build_notification(found: AuditFinding) -> Object:
    return {
        "level": LEVELS[found.severity],
        "message": {
            "text": f"{format_place(found)}, {format_route(found)}: {describe_with_cure(found)}"
        },
        "associatedRule": {"id": found.code, "index": find_rule(found)},
    }


def list_blind_notices(found: AuditFindings) -> Iterator[Object]:
    """Yield why an absent finding proves nothing: a viewer would call it fixed."""
    for each in found.notices:
        if each.code in (*BLIND, *BLIND_TO_BLOCKS, *BLIND_TO_WAITS):
            yield {"level": "warning", "message": {"text": each.message}}


def locate_holders(holders: Sequence[TokenHolder], record: AuditRecord) -> Iterator[Object]:
    """Yield the places that held threads meanwhile, once for all routes, without small shares."""
    kept_s: dict[tuple[str | None, int | None, str | None], Second] = defaultdict(float)
    for each in holders:
        kept_s[each.file, each.line, each.function] += each.seconds
    least_s = LEAST_SHARE * sum(kept_s.values())
    for (file, line, function), seconds in kept_s.items():
        place = locate(file, line, record)
        if place is not None and seconds >= least_s:
            name = f"{function}()" if function else "Code"
            text = f"{name} holds threads meanwhile, for {seconds:,.1f} thread-seconds."
            yield place | {"message": {"text": text}}


def locate(file: str | None, line: int | None, record: AuditRecord) -> Object | None:
    """Return None if no line of the repository is known. If the user's folder is on this machine, a
    file that is not in it belongs to a library or lies elsewhere."""
    if file is None or not line or file.startswith(("<", AWAY)):
        return None
    folder = Path(record.folder)
    if record.folder and folder.is_dir() and not (folder / file).is_file():
        return None
    path = posixpath.normpath(posixpath.join(record.folder_in_repository or "", file))
    if record.folder_in_repository is not None and path.startswith("../"):
        return None
    artifact = {"uri": quote(path), "uriBaseId": ROOT}
    return {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": line}}}
