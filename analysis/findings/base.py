"""What a finding of the audit is."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal, TypedDict

from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure, Predicted, Tried
from scenarios.units import Second

Severity = Literal["info", "warning", "error"]
Confidence = Literal["low", "medium", "high"]
Harm = Literal["blocks the loop", "keeps threads", "delays answers"]


class PlaceFields(TypedDict):
    """The fields in which a finding says where it is."""

    route: str | None
    phase: str | None
    file: str | None
    line: int | None
    function: str | None


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
class TokenHolder:
    """Code that kept threads or tokens of a queue while others waited for one. seconds: of its
    threads together, while others waited. file: relative to the user's folder."""

    route: str | None
    phase: str | None
    file: str | None
    line: int | None
    function: str | None
    seconds: Second


@dataclass(frozen=True, slots=True)
class Culprit:
    """A place that takes time from requests of other routes. file: relative to the user's
    folder."""

    harm: Harm
    route: str | None
    phase: str | None
    file: str | None
    line: int | None
    function: str | None


@dataclass(frozen=True, slots=True)
class HarmMatrix:
    """seconds: by row and by route, what requests of the route lost to the culprit of the row. The
    worst first."""

    rows: tuple[Culprit, ...] = ()
    routes: tuple[str, ...] = ()
    seconds: tuple[tuple[Second, ...], ...] = ()


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
    short: ClassVar[str]
    """What happens, in a table."""
    clause: ClassVar[str]
    """The same in a sentence that counts places."""
    meaning: ClassVar[str]
    """What such a finding says, wherever it is: a clause, as docs/audit.md has it."""
    remedy: ClassVar[str]
    """What to do about any of its kind: clauses."""

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
    holders: tuple[TokenHolder, ...] | None = None
    cure: Cure | None = None
    uncured: str | None = None
    predicted: Predicted | None = None
    tried: Tried | None = None

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"\B(?=[A-Z])", "_", cls.__name__).upper()

    @classmethod
    @abstractmethod
    def find(cls, evidence: AuditEvidence) -> "AuditFindings": ...

    @property
    def place_fields(self) -> PlaceFields:
        return PlaceFields(
            route=self.route,
            phase=self.phase,
            file=self.file,
            line=self.line,
            function=self.function,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        """A change of the user's code, or of what starts it; a sentence where there is none."""
        del evidence
        return "No change of the code is known that takes it away."

    @property
    @abstractmethod
    def facts(self) -> str:
        """What happened here, and the numbers."""

    @property
    def advice(self) -> Mapping[str, str]:
        """What several findings have in common, such as what to do: sentences by their topic, which
        a terminal shows once each."""
        return {}

    @property
    def context(self) -> Mapping[str, str]:
        """Of the advice, what says how it is and not what to do: a cure does not replace it."""
        return {}

    @property
    def message(self) -> str:
        """What happened, the number, what to do."""
        return " ".join((self.facts, *self.advice.values()))

    @property
    def taken_s(self) -> Second:
        """From requests of other routes."""
        return sum(each.seconds for each in self.victims or ())

    def export(self) -> dict[str, object]:
        """As findings.json has it."""
        return {"code": self.code, **asdict(self), "message": self.message}


@dataclass(frozen=True, slots=True)
class AuditScope:
    """What an audit could see. routes: that were asked. span_s: how long. processes: with the probe
    inside; 0 where the audit was outside of the service, and knows latencies alone. sees_waits:
    hand-overs to threads were recorded."""

    requests: int = 0
    routes: tuple[str, ...] = ()
    span_s: Second = 0.0
    processes: int = 0
    sees_waits: bool = True


@dataclass(frozen=True, slots=True)
class AuditFindings:
    """findings: the worst first, by seconds taken from others, then by their own. blocked_s: what
    the loops were blocked for in all; excused_s: for the machine's reasons; unexplained_s: without
    enough evidence against any code. trials: of --try, in the order in which they ran."""

    findings: tuple[AuditFinding, ...] = ()
    notices: tuple[Notice, ...] = ()
    blocked_s: Second = 0.0
    excused_s: Second = 0.0
    unexplained_s: Second = 0.0
    scope: AuditScope = AuditScope()
    matrix: HarmMatrix = HarmMatrix()
    trials: tuple[Tried, ...] = ()
