"""Match what a detector reports with an app's labels. Pure: no file, no clock."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Self

from tests.corpus.labels import (
    CONTENDED,
    LOOP_BLOCKED,
    BlockingLabel,
    CorpusApp,
    HolderLabel,
)

SECONDS_WITHIN = 0.2
WAITED_LEAST_S = 0.25
"""Total wait in seconds below which a finding need not report it."""
UNEXPLAINED = "unexplained"
METHOD = re.compile(r"^[A-Z]+ (?=/)")
CONVERTER = re.compile(r":\w+(?=})")


@dataclass(frozen=True, slots=True)
class Report:
    """One finding of any detector; unknown fields are None. seconds: total. during: the only route
    that was called at that time, which is the only route that some detectors' reports have.
    """

    route: str | None = None
    file: str | None = None
    line: int | None = None
    function: str | None = None
    phase: str | None = None
    cause: str | None = None
    call: str | None = None
    seconds: float | None = None
    during: str | None = None
    code: str = LOOP_BLOCKED
    message: str = ""
    holders: tuple["Holder", ...] = ()

    @classmethod
    def parse(cls, finding: Mapping[str, object]) -> Self:
        """Parse a finding of findings.json. Raises TypeError for a wrong type."""
        line, seconds = finding.get("line"), finding.get("seconds")
        holders = finding.get("holders") or []
        if not isinstance(line, int | None) or not isinstance(seconds, float | int | None):
            raise TypeError(f"line {line!r}, seconds {seconds!r}")
        if not isinstance(holders, list):
            raise TypeError(f"holders {holders!r}")
        texts = {
            key: None if finding.get(key) is None else str(finding[key])
            for key in ("route", "file", "function", "phase", "cause", "call")
        }
        return cls(
            line=line, seconds=seconds, **texts, code=str(finding["code"]),
            message=str(finding.get("message", "")),
            holders=tuple(Holder(each["route"], each["file"], each["line"]) for each in holders),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Holder:
    """Reported code that keeps threads from calls that wait; a report has the worst one first."""

    route: str | None
    file: str | None
    line: int | None


def parse_findings(document: Mapping[str, object]) -> list[Report]:
    """Parse the content of findings.json. Raises TypeError."""
    findings = document["findings"]
    if not isinstance(findings, list):
        raise TypeError(f"findings {findings!r}")
    return [Report.parse(each) for each in findings]


@dataclass(frozen=True, slots=True)
class Taken:
    """Bounds of the total seconds of a label's work: its CPU and its time on the loop; or its wait,
    without and with times that may have been only the switch to a free thread. Both are right."""

    least_s: float
    most_s: float


@dataclass(frozen=True, slots=True)
class Detection:
    """The reports of a label: those at the right line, else in its function, else of its route,
    else of the time when only it was called; none: not detected."""

    label: BlockingLabel
    taken: Taken
    reports: tuple[Report, ...]

    @property
    def detected(self) -> bool:
        return bool(self.reports)

    @property
    def main(self) -> Report:
        return max(self.reports, key=lambda each: each.seconds or 0.0)

    @property
    def seconds(self) -> float | None:
        known = [each.seconds for each in self.reports if each.seconds is not None]
        return sum(known) if known else None

    @property
    def seconds_error(self) -> float | None:
        """The relative error against the nearer bound; None if no report has seconds."""
        if self.seconds is None:
            return None
        return self.seconds / min(max(self.seconds, self.taken.least_s), self.taken.most_s) - 1.0

    @property
    def right(self) -> dict[str, bool]:
        """Which aspects of the label are right. A label without a request has no route."""
        if not self.reports:
            return dict.fromkeys(self.label.aspects, False)
        error, main = self.seconds_error, self.main
        right = {
            "detected": True,
            "route": all(normalise_route(each.route) == self.label.route for each in self.reports),
            "line": is_at_line(main, self.label),
            "cause": main.cause == self.label.cause,
            "phase": main.phase in self.label.phases,
            "seconds": error is not None and abs(error) <= SECONDS_WITHIN,
            "holder": is_held_by(main, self.label.holder),
            "words": all(says(main, word) for word in self.label.words),
        }
        return {aspect: right[aspect] for aspect in self.label.aspects}


def says(report: Report, word: str) -> bool:
    """Match whole words: 3 is not in 30."""
    return re.search(rf"(?<![\w.,]){re.escape(word)}(?![\w]|[.,]\d)", report.message) is not None


def is_held_by(report: Report, label: HolderLabel | None) -> bool:
    """Return True if the worst of the holders is the right one."""
    if label is None or not report.holders:
        return False
    worst = report.holders[0]
    return (
        normalise_route(worst.route) == label.route
        and worst.file is not None
        and PurePath(worst.file).name == label.file
        and worst.line in label.lines
    )


@dataclass(frozen=True, slots=True)
class Match:
    """false_alarms: reports against an innocent route without such a label. strays: reports that
    match no label and no innocent route, such as a second place in a blocking route. unasked:
    labels whose work never ran, or never had to wait."""

    app: CorpusApp
    detections: tuple[Detection, ...]
    false_alarms: tuple[Report, ...]
    strays: tuple[Report, ...]
    unasked: tuple[str, ...]


def match_reports(app: CorpusApp, reports: Sequence[Report], taken: Mapping[str, Taken]) -> Match:
    """taken: by the label's name; a label that is missing was not called."""
    asked = [label for label in app.blocking if is_due(label, taken)]
    detections = tuple(
        Detection(label, taken[label.name], tuple(pick_reports(label, reports, asked)))
        for label in asked
    )
    used = {id(report) for each in detections for report in each.reports}
    innocent = {label.route for label in app.innocent}
    others = [report for report in reports if id(report) not in used]
    accusing = [each for each in others if accuses(each, innocent, app)]
    return Match(
        app=app,
        detections=detections,
        false_alarms=tuple(accusing),
        strays=tuple(each for each in others if each not in accusing),
        unasked=tuple(label.name for label in app.blocking if label not in asked),
    )


def is_due(label: BlockingLabel, taken: Mapping[str, Taken]) -> bool:
    """Return True if a detector has to find the label."""
    if label.name not in taken:
        return False
    return label.code not in CONTENDED or taken[label.name].least_s >= WAITED_LEAST_S


def accuses(report: Report, innocent: set[str], app: CorpusApp) -> bool:
    """Return True for a false accusation; in an app without bad labels every report is one."""
    accused = normalise_route(report.route) or (report.during if report.line is None else None)
    said = any(each.code == report.code and each.route == accused for each in app.blocking)
    wrong = (accused in innocent and not said) or not app.blocking
    return report.cause != UNEXPLAINED and wrong


def pick_reports(
    label: BlockingLabel, reports: Sequence[Report], labels: Sequence[BlockingLabel]
) -> list[Report]:
    """Return the best reports of a label: at its line, in its function, of its route, or while only
    it was called. Of codes except LOOP_BLOCKED: those that fit no other label better."""
    others = [each for each in labels if each is not label and each.code == label.code]
    of_code = [each for each in reports if each.code == label.code]
    if label.code != LOOP_BLOCKED:
        ranks = [rank_fit(report, label) for report in of_code]
        best = max(ranks, default=0)
        return [
            report
            for report, rank in zip(of_code, ranks, strict=True)
            if rank == best > 0 and all(rank_fit(report, other) <= rank for other in others)
        ]
    free = [r for r in of_code if r.line is None or not any(is_at_line(r, o) for o in others)]
    for fits in (is_at_line, is_in_function, is_of_route, is_at_the_time):
        if found := [each for each in free if fits(each, label)]:
            return found
    return []


def rank_fit(report: Report, label: BlockingLabel) -> int:
    """Return how well a report of a wait fits, by route, stage and line; 0: not at all."""
    is_there = report.line is not None and is_at_line(report, label)
    is_of_it = normalise_route(report.route) == label.route
    if not is_of_it and not is_there:
        return 0
    return 4 * is_of_it + 2 * (report.phase in label.phases) + is_there


def is_at_line(report: Report, label: BlockingLabel) -> bool:
    if report.line is None:
        return label.inside and is_of_route(report, label)
    return is_in_file(report, label) and report.line in label.lines


def is_in_file(report: Report, label: BlockingLabel) -> bool:
    return report.file is not None and PurePath(report.file).name == label.file


def is_in_function(report: Report, label: BlockingLabel) -> bool:
    """Return True if only this label's function has the name: not for two methods `__call__`."""
    name = (report.function or "").rpartition(".")[2]
    return is_in_file(report, label) and name == label.function and is_of_route(report, label)


def is_of_route(report: Report, label: BlockingLabel) -> bool:
    return label.route is not None and normalise_route(report.route) == label.route


def is_at_the_time(report: Report, label: BlockingLabel) -> bool:
    return report.route is None and label.route is not None and report.during == label.route


def normalise_route(route: str | None) -> str | None:
    """Return a route without a leading method and without converters."""
    return None if route is None else CONVERTER.sub("", METHOD.sub("", route))
