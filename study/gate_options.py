"""The options that let an audit fail a build: of the audit, and of its report."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from scenarios.options import Setting

if TYPE_CHECKING:
    from analysis.findings.finding_threshold import FindingGate


@dataclass(frozen=True, slots=True)
class GateOptions:
    """As typed."""

    fail_on: Annotated[
        tuple[str, ...],
        Setting(
            "What makes the exit code 1: a finding of a severity (error, warning, info) or worse; "
            "of a code such as LOOP_BLOCKED; or a longest time in one request, such as "
            "'blocked>50ms' or 'waited>200ms'. May be given several times.",
            metavar="THRESHOLD",
        ),
    ] = ()  # fmt: skip
    baseline: Annotated[
        tuple[Path, ...],
        Setting(
            "The findings.json of an earlier audit: what it has is known, and fails nothing. May "
            "be given several times.",
            metavar="FILE",
        ),
    ] = ()  # fmt: skip

    def open_gate(self) -> "FindingGate":
        """Raises UserError."""
        from analysis.findings.baseline import read_baseline
        from analysis.findings.finding_threshold import FindingGate, parse_finding_threshold

        return FindingGate(
            tuple(map(parse_finding_threshold, self.fail_on)),
            read_baseline(self.baseline) if self.baseline else None,
        )
