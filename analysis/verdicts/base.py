"""What a verdict is, what it rests on, and how a cell is judged."""

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
from analysis.measures.other_clients import OtherClients, measure_other_clients
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
    other_clients: OtherClients
    backlog: Backlog | None
    """None in a closed loop."""
    prediction: Prediction | None
    """None where the run was not predicted."""
    cpu_growth: CpuGrowth | None
    """None where nothing was to be explained."""

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
    doubt: ClassVar[str] = ""
    """Of a figure, in a clause such as "the machine was busy with other work"."""
    error_means: ClassVar[Literal["no figure", "at least", "as measured"]] = "no figure"
    """What the throughput is where it is an error: none of the service's, a lower bound, or what
    was measured, since the verdict says what became of the service's users."""
    text: ClassVar[str]
    """The message, with fields in braces, where it always has the same form."""

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
    @abstractmethod
    def advice(self) -> str:
        """What to do, wherever it is read: it names no line of an output, and no option that does
        not help here."""

    @property
    def data(self) -> Data:
        return {name: value for name, value in vars(self).items() if value is not None}

    def to_record(self) -> VerdictRecord:
        return VerdictRecord(self.code, self.severity, self.message, self.advice, self.data)


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    """Every verdict of this package is asked, the gravest first."""
    found = (each.check(evidence) for each in list_verdicts())
    return tuple(verdict for verdict in found if verdict is not None)


@cache
def list_verdicts() -> tuple[type[Verdict], ...]:
    """By rank."""
    for each in iter_modules(verdicts.__path__):
        import_module(f"{verdicts.__name__}.{each.name}")
    return tuple(sorted(Verdict.__subclasses__(), key=lambda each: each.rank))
