"""What a verdict is: what it rests on, what it says, and the form in which it is recorded."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, dataclass_transform

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


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Verdict(ABC):
    """What a cell says of its own trustworthiness. A subclass in a module of this package is found
    by itself, and is a frozen dataclass; its fields are its data, what is None left out."""

    code: ClassVar[str]
    """Stable: other tools rely on it."""
    rank: ClassVar[int]
    """Where it stands among a cell's verdicts: the gravest have the lowest."""
    text: ClassVar[str]
    """The message, with fields in braces, where it always has the same form."""
    advice: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"\B(?=[A-Z])", "_", cls.__name__).upper()
        dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    @abstractmethod
    def check(cls, evidence: Evidence) -> "Verdict | None": ...

    @property
    @abstractmethod
    def severity(self) -> Severity: ...

    @property
    def message(self) -> str:
        """One sentence, with the verdict's numbers in it."""
        return self.text.format_map(vars(self))

    @property
    def data(self) -> Data:
        return {name: value for name, value in vars(self).items() if value is not None}

    def to_record(self) -> VerdictRecord:
        return VerdictRecord(self.code, self.severity, self.message, self.advice, self.data)
