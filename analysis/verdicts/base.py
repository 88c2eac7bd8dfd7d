"""What a verdict is: what it rests on, what it says, and the form in which it is recorded."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal, Self

from analysis.verdicts.evidence import Evidence

Severity = Literal["info", "warning", "error"]
Data = Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """As summary.json has it. Of recorded runs it may be of a code that no longer exists."""

    code: str
    severity: Severity
    message: str = ""
    advice: str = ""
    data: Data = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(ABC):
    """What a cell says of its own trustworthiness. A subclass in a module of this package is found
    by itself; its fields are its data, and what is None is left out of them."""

    code: ClassVar[str]
    """Stable: other tools rely on it."""
    rank: ClassVar[int]
    """Where it stands among a cell's verdicts: the gravest have the lowest."""
    advice: ClassVar[str]

    @classmethod
    @abstractmethod
    def check(cls, evidence: Evidence) -> Self | None: ...

    @property
    @abstractmethod
    def severity(self) -> Severity: ...

    @property
    @abstractmethod
    def message(self) -> str:
        """One sentence, with the verdict's numbers in it."""

    @property
    def data(self) -> Data:
        names = (each.name for each in fields(self) if each.name != "severity")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def to_record(self) -> VerdictRecord:
        return VerdictRecord(self.code, self.severity, self.message, self.advice, self.data)
