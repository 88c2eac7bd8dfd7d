"""The base class of verdicts, their evidence, and the judging of a cell."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import ClassVar, Literal, dataclass_transform

import polars as pl

from analysis import verdicts
from analysis.measures.cpu_profile import CpuGrowth, measure_cpu_growth
from analysis.measures.instruments import Instruments, measure_instruments
from analysis.measures.littles_law import LittlesLaw, compute_littles_law
from analysis.measures.other_clients import OtherRequests, measure_other_clients
from analysis.measures.request_accounting import RequestAccounting
from analysis.measures.steadiness import Steadiness, assess_steadiness
from analysis.measures.throughput import Backlog, compute_backlog
from analysis.measures.window import MeasuredCell
from records.cell import CellRecord
from records.prediction import Prediction
from scenarios.units import Second

Severity = Literal["info", "warning", "error"]
Data = Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Evidence:
    record: CellRecord
    completed: int
    unfinished: int
    oldest_unfinished_s: Second | None
    slowest_completed_s: Second | None
    littles_law: LittlesLaw | None
    """None in an open loop, which has no users."""
    counts: RequestAccounting
    instruments: Instruments
    steadiness: Steadiness
    other_clients: OtherRequests
    backlog: Backlog | None
    """None in a closed loop."""
    prediction: Prediction | None
    """None where the run was not predicted."""
    cpu_growth: CpuGrowth | None
    """None where CPU per request needs no explanation."""

    @property
    def is_overloaded(self) -> bool:
        return self.backlog is not None and self.backlog.overload is not None


def gather_evidence(
    cell: MeasuredCell, counts: RequestAccounting, prediction: Prediction | None
) -> Evidence:
    completions = cell.completions
    unfinished = cell.requests.filter(pl.col("ended_s").is_null())
    oldest_s = unfinished["started_s"].min()
    slowest_s = (completions["ended_s"] - completions["started_s"]).max()
    return Evidence(
        record=cell.record,
        completed=completions.height,
        unfinished=unfinished.height,
        oldest_unfinished_s=cell.end_s - oldest_s if isinstance(oldest_s, float) else None,
        slowest_completed_s=slowest_s if isinstance(slowest_s, float) else None,
        littles_law=compute_littles_law(cell),
        counts=counts,
        instruments=measure_instruments(cell),
        steadiness=assess_steadiness(cell),
        other_clients=measure_other_clients(cell),
        backlog=compute_backlog(cell) if cell.record.scenario.load.is_open else None,
        prediction=prediction,
        cpu_growth=measure_cpu_growth(cell),
    )


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """A verdict as in summary.json. An old run's record may have a code that no longer exists."""

    code: str
    severity: Severity
    message: str = ""
    advice: str = ""
    data: Data = field(default_factory=dict)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Verdict(ABC):
    """A reason to trust a cell's figures less. Each subclass in a module of this package becomes a
    frozen dataclass and is listed; its fields are its data, without those that are None."""

    code: ClassVar[str]
    """Stable: other tools rely on it."""
    rank: ClassVar[int]
    """Position among a cell's verdicts: the most severe have the lowest."""
    doubt: ClassVar[str] = ""
    """Why a figure is doubtful: a clause such as "the machine was busy with other work"."""
    error_means: ClassVar[Literal["no figure", "at least", "as measured"]] = "no figure"
    """How to read the throughput when the verdict is an error: not as the service's, as a lower
    bound, or as measured, since the verdict describes what the service did to its users."""
    text: ClassVar[str]
    """The message with fields in braces, if its form never changes."""

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
        """One sentence with the verdict's numbers."""
        return self.text.format_map(vars(self))

    @property
    @abstractmethod
    def advice(self) -> str:
        """What to do. It must make sense in every output, so it refers to no line of one, and it
        names only options that help here."""

    @property
    def data(self) -> Data:
        return {name: value for name, value in vars(self).items() if value is not None}

    def to_record(self) -> VerdictRecord:
        return VerdictRecord(self.code, self.severity, self.message, self.advice, self.data)


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    """Check every verdict of this package, the most severe first."""
    found = (each.check(evidence) for each in list_verdicts())
    return tuple(verdict for verdict in found if verdict is not None)


@cache
def list_verdicts() -> tuple[type[Verdict], ...]:
    """List every verdict by rank."""
    for each in iter_modules(verdicts.__path__):
        import_module(f"{verdicts.__name__}.{each.name}")
    return tuple(sorted(Verdict.__subclasses__(), key=lambda each: each.rank))
