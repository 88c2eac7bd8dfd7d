"""The base class of an answer's statements, and the list of all kinds."""

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
    """A sentence that the records of a run support. Each subclass in a module of this package
    becomes a frozen dataclass and is listed; its fields are the numbers and names in its
    message."""

    rank: ClassVar[int]
    """Position in the answer: the lowest comes first."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    @abstractmethod
    def find(cls, results: Results) -> "tuple[Statement, ...]":
        """Return an empty tuple where the records do not support the sentence."""

    @property
    @abstractmethod
    def message(self) -> str:
        """One or two sentences with the measured numbers."""

    @property
    def rule(self) -> str | None:
        """A rule of the guidance: its file name without number and suffix."""
        return None

    @property
    def change(self) -> str:
        """What to do, as an imperative without a full stop; empty where nothing needs changing."""
        return ""


@cache
def list_statements() -> tuple[type[Statement], ...]:
    """List every kind by rank."""
    for each in iter_modules(answers.__path__):
        import_module(f"{answers.__name__}.{each.name}")
    return tuple(sorted(Statement.__subclasses__(), key=lambda each: each.rank))
