"""What a statement of an answer is, and how those that a run supports are found."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import ClassVar, dataclass_transform

from analysis import answers
from analysis.answers.results import Results


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Statement(ABC):
    """A sentence that the records of a run support. A subclass in a module of this package is
    found by its base class, and is a frozen dataclass; its fields are the numbers and names that
    its message states."""

    rank: ClassVar[int]
    """Where it stands in the answer: the lowest comes first."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    @abstractmethod
    def find(cls, results: Results) -> "tuple[Statement, ...]":
        """Empty where the records do not support it."""

    @property
    @abstractmethod
    def message(self) -> str:
        """One or two sentences: what was measured, with its numbers."""

    @property
    def rule(self) -> str | None:
        """Of the guidance, by its file's name without number and ending."""
        return None

    @property
    def change(self) -> str:
        """What to do about it, as an imperative without a full stop; empty where nothing is to be
        changed."""
        return ""


@cache
def list_statements() -> tuple[type[Statement], ...]:
    """Every kind, by rank."""
    for each in iter_modules(answers.__path__):
        import_module(f"{answers.__name__}.{each.name}")
    return tuple(sorted(Statement.__subclasses__(), key=lambda each: each.rank))
