"""The base class of the audit's findings, and the values that findings consist of."""

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
    """Where a finding is."""

    route: str | None
    phase: str | None
    file: str | None
    line: int | None
    function: str | None


@dataclass(frozen=True, slots=True)
class Victim:
    """The requests of another route that waited, and for how long in total."""

    route: str
    requests: int
    seconds: Second


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A stack frame in a report. file: relative to the user's folder."""

    module: str
    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """Code that held threads or tokens of a queue while requests waited for one. seconds: summed
    over its threads, only while requests waited. file: relative to the user's folder."""

    route: str | None
    phase: str | None
    file: str | None
    line: int | None
    function: str | None
    seconds: Second


@dataclass(frozen=True, slots=True)
class Culprit:
    """Code that delays requests of other routes. file: relative to the user's folder."""

    harm: Harm
    route: str | None
    phase: str | None
    file: str | None
    line: int | None
    function: str | None


@dataclass(frozen=True, slots=True)
class HarmMatrix:
    """The time that requests of each route (columns) lost to each culprit (rows), in seconds. The
    worst culprit comes first."""

    rows: tuple[Culprit, ...] = ()
    routes: tuple[str, ...] = ()
    seconds: tuple[tuple[Second, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """What no code is to blame for, or what the audit could not see. seconds: if it has a
    duration. longest_ms: of one request, in the blocks that it is about. share: of the time in
    which a route was called, that of the route with the largest."""

    code: str
    message: str
    seconds: Second | None = None
    longest_ms: float | None = None
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class AuditFinding(ABC):
    """A place in the user's code and what it costs. Subclasses in this package are discovered
    automatically. An unknown value is None.

    count: affected requests. median_ms, longest_ms: per request. share: of the time in which the
    route was called, unless the subclass says otherwise. victims: None if they are unknown.
    """

    code: ClassVar[str]
    """Stable: other tools rely on it."""
    short: ClassVar[str]
    """What happens, for a table."""
    clause: ClassVar[str]
    """What happens, for a sentence that counts places."""
    meaning: ClassVar[str]
    """What the finding means at any place, as a clause. docs/audit.md quotes it."""
    remedy: ClassVar[str]
    """What to do about any finding of this class, as clauses."""

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
        """Propose a change of the code or of the start command; else return a sentence."""
        del evidence
        return "No code change is known to fix it."

    @property
    @abstractmethod
    def facts(self) -> str:
        """What happened here, with the numbers."""

    @property
    def advice(self) -> Mapping[str, str]:
        """Sentences by topic that several findings share; a terminal shows each topic once."""
        return {}

    @property
    def context(self) -> Mapping[str, str]:
        """The part of the advice that describes the situation; a cure does not replace it."""
        return {}

    @property
    def message(self) -> str:
        """What happened, the number, what to do."""
        return " ".join((self.facts, *self.advice.values()))

    @property
    def taken_s(self) -> Second:
        """The time that requests of other routes lost."""
        return sum(each.seconds for each in self.victims or ())

    def export(self) -> dict[str, object]:
        """Build the finding's entry in findings.json."""
        return {"code": self.code, **asdict(self), "message": self.message}


@dataclass(frozen=True, slots=True)
class UncheckedRoute:
    """A route of which an audit without a finding proves nothing: most of its requests failed. by:
    the most frequent status, or words."""

    method: str | None
    route: str
    requests: int
    failed: int
    by: str


@dataclass(frozen=True, slots=True)
class AuditScope:
    """What the audit could see. routes: that clients called, each once per method. span_s: its
    length. processes: with the probe inside; 0 if the audit ran outside the service and measured
    only latencies. sees_blocks, sees_waits: blocks, and calls moved to threads, were recorded in
    all of them. hides_blocks: another thread computed during blocks, whose cause is unknown.
    is_cut: it ended early, or lost a part of its records."""

    requests: int = 0
    routes: tuple[str, ...] = ()
    span_s: Second = 0.0
    processes: int = 0
    sees_blocks: bool = True
    sees_waits: bool = True
    hides_blocks: bool = False
    is_cut: bool = False
    unchecked: tuple[UncheckedRoute, ...] = ()

    @property
    def unchecked_names(self) -> frozenset[str]:
        """The routes of `unchecked`: one counts although another of its methods succeeded."""
        return frozenset(each.route for each in self.unchecked)


@dataclass(frozen=True, slots=True)
class AuditFindings:
    """The findings of an audit, the worst first: by the seconds that other routes lost, then by
    their own seconds.

    blocked_s: how long the event loops were blocked in total; excused_s: because of the machine;
    unexplained_s: without enough evidence against any code. trials: those of --try, in the order in
    which they ran.
    """

    findings: tuple[AuditFinding, ...] = ()
    notices: tuple[Notice, ...] = ()
    blocked_s: Second = 0.0
    excused_s: Second = 0.0
    unexplained_s: Second = 0.0
    scope: AuditScope = AuditScope()
    matrix: HarmMatrix = HarmMatrix()
    trials: tuple[Tried, ...] = ()
