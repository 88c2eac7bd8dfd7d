"""The outcomes of --fail-on in words."""

from analysis.findings import AuditFinding
from analysis.findings.finding_threshold import OPTION, FindingOutcome
from analysis.report.finding_words import format_place, format_route, name_finding
from analysis.stats import formats


def describe_finding_outcome(outcome: FindingOutcome) -> str:
    """Describe the outcome in one line."""
    said = f"{OPTION} {outcome.threshold.text}"
    known = formats.count_things(outcome.known, "baseline finding")
    if outcome.failing:
        worst, more = describe_finding(outcome.failing[0]), len(outcome.failing) - 1
        rest = f", and {formats.count_things(more, 'more finding')}" if more else ""
        return f"✗ {said}: {worst}{rest}"
    if outcome.why is not None:
        return f"? {said}: unknown. {outcome.why}"
    return f"✓ {said}: no {'new ' if outcome.known else ''}findings" + (
        f"; {known} {'are' if outcome.known > 1 else 'is'} left out" if outcome.known else ""
    )


def describe_finding(found: AuditFinding) -> str:
    longest = formats.milliseconds(found.longest_ms)
    time = "" if found.longest_ms is None else f", at most {longest} ms"
    return f"{format_place(found)}, {format_route(found)}: {name_finding(found)}{time}"
