"""What a finding of the audit is, and how all of them are found."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import ClassVar, Literal, Self

from analysis import findings
from analysis.findings.evidence import AuditEvidence
from scenarios.units import Second

SCHEMA = 1
"""Of findings.json."""
Severity = Literal["info", "warning", "error"]
Confidence = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Victim:
    """Requests of another route that waited meanwhile, and how long in all."""

    route: str
    requests: int
    seconds: Second


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """file: relative to the user's folder."""

    module: str
    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What is nobody's fault, and what could not be seen. seconds: None where it has none."""

    code: str
    message: str
    seconds: Second | None = None


@dataclass(frozen=True, kw_only=True)
class AuditFinding(ABC):
    """A place in the user's code and what it costs. A subclass in a module of this package is found
    by itself. What a finding does not know is None.

    count: requests that met it. median_ms, longest_ms: of one request there. share: of the time in
    which the route was asked. victims: None where they are not known.
    """

    code: ClassVar[str]
    """Stable: other tools rely on it."""

    severity: Severity
    confidence: Confidence
    route: str | None = None
    phase: str | None = None
    file: str | None = None
    line: int | None = None
    function: str | None = None
    call: str | None = None
    stack: tuple[ShownFrame, ...] = ()
    cause: str | None = None
    count: int | None = None
    seconds: Second | None = None
    median_ms: float | None = None
    longest_ms: float | None = None
    share: float | None = None
    victims: tuple[Victim, ...] | None = None
    holders: tuple[ShownFrame, ...] | None = None
    cure: str | None = None
    predicted: float | None = None
    tried: str | None = None

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"\B(?=[A-Z])", "_", cls.__name__).upper()

    @classmethod
    @abstractmethod
    def find(cls, evidence: AuditEvidence) -> "AuditFindings": ...

    @property
    @abstractmethod
    def message(self) -> str:
        """What happened, the number, what to do."""

    @property
    def taken_s(self) -> Second:
        """From requests of other routes."""
        return sum(each.seconds for each in self.victims or ())

    def export(self) -> dict[str, object]:
        """As findings.json has it."""
        return {"code": self.code, **asdict(self), "message": self.message}


@dataclass(frozen=True, slots=True)
class AuditFindings:
    """findings: the worst first, by seconds taken from others, then by their own. lost_s: what the
    loops were blocked for in all; excused_s: for the machine's reasons; unexplained_s: without
    evidence against any code."""

    findings: tuple[AuditFinding, ...] = ()
    notices: tuple[Notice, ...] = ()
    blocked_s: Second = 0.0
    excused_s: Second = 0.0
    unexplained_s: Second = 0.0
    looked_at: tuple[str, ...] = field(default=())
    """Sentences: what was asked and seen."""

    def join(self, other: Self) -> Self:
        return type(self)(
            (*self.findings, *other.findings),
            (*self.notices, *other.notices),
            self.blocked_s + other.blocked_s,
            self.excused_s + other.excused_s,
            self.unexplained_s + other.unexplained_s,
            (*self.looked_at, *other.looked_at),
        )


def find_all(evidence: AuditEvidence) -> AuditFindings:
    """Every finding of this package is asked."""
    found = AuditFindings()
    for each in list_findings():
        found = found.join(each.find(evidence))
    return found


def sort_findings(found: Sequence[AuditFinding]) -> tuple[AuditFinding, ...]:
    def rank(each: AuditFinding) -> tuple[float, float, str, str, int]:
        place = each.route or "", each.file or "", each.line or 0
        return (-each.taken_s, -(each.seconds or 0.0), *place)

    return tuple(sorted(found, key=rank))


def export_findings(found: AuditFindings) -> dict[str, object]:
    """The content of findings.json."""
    return {
        "schema": SCHEMA,
        "findings": [each.export() for each in found.findings],
        "notices": [asdict(each) for each in found.notices],
    }


@cache
def list_findings() -> tuple[type[AuditFinding], ...]:
    """By code."""
    for each in iter_modules(findings.__path__):
        import_module(f"{findings.__name__}.{each.name}")
    return tuple(sorted(AuditFinding.__subclasses__(), key=lambda each: each.code))
