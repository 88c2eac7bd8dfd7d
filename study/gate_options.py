"""The options of an audit and its report that can fail a build."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from scenarios.options import Setting

if TYPE_CHECKING:
    from analysis.findings.finding_threshold import FindingGate


@dataclass(frozen=True, slots=True)
class GateOptions:
    """The options as typed."""

    fail_on: Annotated[
        tuple[str, ...],
        Setting(
            "Condition for exit code 1: a severity (error, warning, info), which includes more "
            "severe ones; a code such as LOOP_BLOCKED; or a maximum time in one request, such as "
            "'blocked>50ms' or 'waited>200ms'. No condition if not given. Repeatable.",
            metavar="THRESHOLD",
        ),
    ] = ()  # fmt: skip
    baseline: Annotated[
        tuple[Path, ...],
        Setting(
            "findings.json of an earlier audit, whose findings --fail-on ignores. Repeatable.",
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
