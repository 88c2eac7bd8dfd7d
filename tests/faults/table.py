"""The rows of the fault matrix."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import pytest

TABLE = Path(__file__).with_name("table.toml")
OURS = "internal error"


@dataclass(frozen=True, slots=True)
class FaultRow:
    """group: the test that plants it. exit_codes: those that are right. says: a pattern that
    standard error must have; never: words that it must not have. quick: part of each
    check."""

    group: str
    fault: str
    phase: str
    exit_codes: tuple[int, ...]
    says: str
    never: str
    quick: bool

    @property
    def name(self) -> str:
        return f"{self.fault} / {self.phase}"

    def check(self, code: int, said: str) -> None:
        assert code in self.exit_codes, said
        assert re.search(self.says, said, re.MULTILINE), said
        assert not [each for each in (OURS, self.never) if each in said], said


@cache
def load_rows() -> tuple[FaultRow, ...]:
    """Each entry of table.toml stands for every fault that it names in every phase."""
    groups = tomllib.loads(TABLE.read_text())
    return tuple(
        row
        for group, entries in groups.items()
        for each in entries
        for row in expand(group, **each)
    )


def expand(
    group: str,
    *,
    faults: str | list[str],
    phases: str | list[str],
    exit_codes: int | list[int] = 0,
    says: str = "",
    never: str = "Traceback",
    quick: bool = False,
) -> list[FaultRow]:
    codes = (exit_codes,) if isinstance(exit_codes, int) else tuple(exit_codes)
    named, when = ([each] if isinstance(each, str) else each for each in (faults, phases))
    return [
        FaultRow(group, fault, phase, codes, says, never, quick)
        for fault, phase in product(named, when)
    ]


def select(group: str) -> list[object]:
    """For pytest.mark.parametrize: every row of the group. Only quick rows are part of each check;
    those of servers run with the slow tests."""
    slow = [] if group == "outputs" else [pytest.mark.slow, pytest.mark.untimed]
    return [
        pytest.param(row, id=row.name, marks=slow if row.quick else pytest.mark.faults)
        for row in load_rows()
        if row.group == group
    ]
