"""The thresholds of --fail-on: parsed before an audit, judged after it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf
from typing import get_args

from analysis.findings.base import AuditFinding, AuditFindings, Notice, Severity
from analysis.findings.baseline import Baseline
from analysis.findings.blocks.loop_blocked import GRAVE_SHARE, SMALL_SHARE
from analysis.findings.judge import list_findings
from analysis.findings.notices import CUT, HIDDEN
from analysis.findings.severity import GRAVE_MS, SMALL_MS
from analysis.findings.waits.queue_wait import QueueWait
from scenarios.errors import UserError
from scenarios.units import parse_duration

OPTION = "--fail-on"
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""In ascending order."""
BLIND = (
    "NOT_ATTACHED", "NO_REQUEST", "NOT_RECORDED", "NO_STACKS", "UNCHECKED", "ROUTES_UNKNOWN",
    *sorted(CUT),
)  # fmt: skip
"""Notices after which an audit without findings proves nothing."""
BLIND_TO_BLOCKS = (HIDDEN,)
"""Notices after which it does not prove that nothing blocks for as long as they say."""
LEAST_MS: Mapping[str, float] = {"info": 0.0, "warning": SMALL_MS, "error": GRAVE_MS}
"""The shortest block of each severity, if it takes a small share of the time."""
LEAST_SHARE: Mapping[str, float] = {"info": 0.0, "warning": SMALL_SHARE, "error": GRAVE_SHARE}
"""The smallest share of a route's time in blocks of each severity, however short they are."""
BLIND_TO_WAITS = ("PARTLY_RECORDED",)
"""Notices after which it proves only that nothing blocks."""
KINDS = (
    "a severity (error, warning, info), a code such as LOOP_BLOCKED, or a time limit such as "
    "'blocked>50ms' or 'waited>200ms'"
)

_BOUND = re.compile(r"(\w+)\s*>\s*(\S+)", re.ASCII)


def is_serving_block(found: AuditFinding) -> bool:
    """Return True for a block while serving: at startup no request waits."""
    return found.code == "LOOP_BLOCKED" and found.phase != "startup"


def is_noticed_wait(found: AuditFinding) -> bool:
    """Return True for a wait before the response: after it no client waits."""
    return isinstance(found, QueueWait) and not found.is_after


MEASURES: Mapping[str, Callable[[AuditFinding], bool]] = {
    "blocked": is_serving_block,
    "waited": is_noticed_wait,
}
"""Per request: the longest block of the event loop; the longest wait in a queue."""


@dataclass(frozen=True, slots=True)
class FindingThreshold:
    """text: as typed. fails: whether a finding exceeds it. is_of_blocks: only blocks can. least_ms:
    the shortest block that can; inf if none can. least_share: of the time in which a route was
    called; inf if the time in blocks does not count."""

    text: str
    fails: Callable[[AuditFinding], bool]
    is_of_blocks: bool = False
    least_ms: float = inf
    least_share: float = inf

    def may_concern(self, hidden: Notice) -> bool:
        """Return True if a block of unknown cause may exceed it."""
        is_long = self.least_ms < (hidden.longest_ms or 0.0)
        return is_long or (hidden.share or 0.0) >= self.least_share


@dataclass(frozen=True, slots=True)
class FindingGate:
    """What can fail an audit, and which findings are known."""

    thresholds: tuple[FindingThreshold, ...] = ()
    baseline: Baseline | None = None


@dataclass(frozen=True, slots=True)
class FindingOutcome:
    """failing: new findings that exceed the threshold. known: how many others the baseline has.
    why: the reason why an audit without failing findings proves nothing; None if it does."""

    threshold: FindingThreshold
    failing: tuple[AuditFinding, ...]
    known: int
    why: str | None


def parse_finding_threshold(text: str) -> FindingThreshold:
    """Raise UserError for an unknown threshold."""
    typed = text.strip()
    codes = [each.code for each in list_findings()]
    bound = _BOUND.fullmatch(typed)
    if typed in SEVERITIES:
        least = SEVERITIES.index(typed)
        return FindingThreshold(
            typed,
            lambda each: SEVERITIES.index(each.severity) >= least,
            least_ms=LEAST_MS[typed],
            least_share=LEAST_SHARE[typed],
        )
    if typed in codes:
        is_blocks = typed == "LOOP_BLOCKED"
        least_ms = 0.0 if is_blocks else inf
        return FindingThreshold(typed, lambda each: each.code == typed, is_blocks, least_ms)
    if bound is None or bound[1] not in MEASURES:
        raise build_unknown_error(text, (*SEVERITIES, *codes, *MEASURES))
    concerns, bound_ms = MEASURES[bound[1]], 1000 * parse_duration(OPTION, bound[2])
    return FindingThreshold(
        typed,
        lambda each: concerns(each) and (each.longest_ms or 0.0) > bound_ms,
        bound[1] == "blocked",
        bound_ms if bound[1] == "blocked" else inf,
    )


def build_unknown_error(text: str, known: Sequence[str]) -> UserError:
    bounds = {each: f"{each}>50ms" for each in MEASURES}
    names = {each.upper(): bounds.get(each, each) for each in known}
    word = re.split(r"[<>=,]", text, maxsplit=1)[0].strip().upper()
    close = get_close_matches(word, names, n=1)
    hint = f"did you mean {names[close[0]]}? It" if close else "unknown; it"
    return UserError(f"{OPTION} {text!r}: {hint} takes {KINDS}")


def judge_findings(found: AuditFindings, gate: FindingGate) -> tuple[FindingOutcome, ...]:
    """Return one outcome per threshold."""
    known = gate.baseline
    new = found.findings if known is None else known.find_new(found.findings)
    outcomes = []
    for each in gate.thresholds:
        why = explain_blindness(found, each)
        over = [finding for finding in found.findings if each.fails(finding)]
        failing = tuple(finding for finding in over if finding in new)
        outcomes.append(FindingOutcome(each, failing, len(over) - len(failing), why))
    return tuple(outcomes)


def explain_blindness(found: AuditFindings, threshold: FindingThreshold) -> str | None:
    """Explain why an audit without a finding does not prove that there is none."""
    codes = BLIND if threshold.is_of_blocks else (*BLIND, *BLIND_TO_WAITS)
    notices = (
        each.message
        for each in found.notices
        if each.code in codes or (each.code in BLIND_TO_BLOCKS and threshold.may_concern(each))
    )
    blind = next(notices, None)
    if blind is None and not found.scope.requests:
        return "The audit saw no request."
    return blind
