"""The page's text about one finding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.answers.guidance import load_rule_references
from analysis.findings import AuditFinding
from analysis.findings.base import TokenHolder
from analysis.findings.waits.queue_wait import QueueWait
from analysis.report.finding_words import format_place, format_route, name_finding
from analysis.report.remedy_words import (
    describe_cure,
    describe_predicted,
    format_cure_place,
    list_changes,
)
from analysis.report.trial_lines import describe_trials
from analysis.stats import formats

SHOWN_SHARE = 0.01
"""Least share of all holders' thread-seconds; findings.json has the smaller ones."""


@dataclass(frozen=True, slots=True)
class FindingCard:
    """number: position in the list of findings, from 1. changes: sign and line of the proposed
    change. same_place: numbers of the other findings at its line. same_change: number of the
    finding above it that shows the same lines; None if there is none."""

    number: int
    finding: AuditFinding
    same_place: tuple[int, ...] = ()
    same_change: int | None = None

    @property
    def anchor(self) -> str:
        return f"finding-{self.number}"

    @property
    def place(self) -> str:
        return format_place(self.finding)

    @property
    def route(self) -> str:
        return format_route(self.finding)

    @property
    def name(self) -> str:
        return name_finding(self.finding)

    @property
    def message(self) -> str:
        """Leave out advice if there is a change: the change says more."""
        found = self.finding
        return " ".join((found.facts, *found.context.values())) if found.cure else found.message

    @property
    def changes(self) -> list[tuple[str, str]]:
        return list_changes(self.finding.cure) if self.finding.cure else []

    @property
    def cure_place(self) -> str:
        return format_cure_place(self.finding.cure) if self.finding.cure else ""

    @property
    def cure_text(self) -> str:
        return describe_cure(self.finding)

    @property
    def rank(self) -> str:
        """The worst finding about a queue is a wait; the answer names the code that causes it."""
        return "The worst wait" if isinstance(self.finding, QueueWait) else "The worst"

    @property
    def rule(self) -> str:
        """The rule of the guidance behind the change; empty if there is none."""
        cure = self.finding.cure
        rule = load_rule_references().get(cure.rule or "") if cure else None
        return f"Guidance, rule {rule.number}: {rule.claim}." if rule else ""

    @property
    def outlook(self) -> list[str]:
        """The predicted and the measured effect of the change."""
        found = self.finding
        predicted = describe_predicted(found.predicted) if found.predicted else ""
        tried = describe_trials((found.tried,)) if found.tried and found.tried.trial else ()
        return list(filter(None, (predicted, *tried)))

    @property
    def untried(self) -> str:
        """Why no trial measures the change; empty if one does or could, or without --try."""
        cure, tried = self.finding.cure, self.finding.tried
        if cure is None or cure.trial or tried is None or tried.trial:
            return ""
        return tried.reason or ""

    @property
    def figures(self) -> list[tuple[str, str]]:
        """Labels and values of the known figures."""
        found = self.finding
        known = {
            "requests": found.count is not None and formats.whole(found.count),
            "total": found.seconds is not None and f"{formats.decimal(found.seconds)} s",
            "median": found.median_ms is not None and f"{formats.milliseconds(found.median_ms)} ms",
            "longest": found.longest_ms is not None
            and f"{formats.milliseconds(found.longest_ms)} ms",
            "share of the time": found.share is not None and formats.percent(found.share),
            "confidence": found.confidence,
        }
        return [(words, figure) for words, figure in known.items() if figure]

    @property
    def holders(self) -> list[tuple[str, float]]:
        """The code that held threads meanwhile, and for how many seconds."""
        holders = self.finding.holders or ()
        least_s = SHOWN_SHARE * sum(each.seconds for each in holders)
        return [(format_holder(each), each.seconds) for each in holders if each.seconds >= least_s]


def build_cards(
    found: Sequence[AuditFinding], worst: AuditFinding | None = None
) -> list[FindingCard]:
    """Build the cards in the order of the findings. worst: the page shows it above all others."""
    first = find_first_shown(found, worst)
    places = [(each.file, each.line) for each in found]
    return [
        FindingCard(
            number,
            each,
            tuple(
                other
                for other, place in enumerate(places, start=1)
                if each.file and place == (each.file, each.line) and other != number
            ),
            first[key] if (key := get_change(each)) and first[key] != number else None,
        )
        for number, each in enumerate(found, start=1)
    ]


def find_first_shown(
    found: Sequence[AuditFinding], worst: AuditFinding | None
) -> Mapping[object, int]:
    """Map each change to the number of the first finding on the page that proposes it."""
    first: dict[object, int] = {}
    numbered = enumerate(found, start=1)
    for number, each in sorted(numbered, key=lambda pair: pair[1] is not worst):
        first.setdefault(get_change(each), number)
    return first


def get_change(found: AuditFinding) -> tuple[object, ...] | None:
    """Return the place and the lines of the change; None without any lines."""
    cure = found.cure
    if cure is None or not (cure.before or cure.after):
        return None
    return cure.file, cure.line, cure.before, cure.after


def format_holder(holder: TokenHolder) -> str:
    route = holder.route or "no request"
    where = f"{route} ({holder.phase})" if holder.phase else route
    return f"{holder.file}:{holder.line} {holder.function}, {where}" if holder.file else where
