"""One scenario with one setting at several values: what does more of it bring?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scenarios.errors import UserError
from scenarios.model import Scenario
from scenarios.overrides import Overrides, apply_overrides
from scenarios.units import parse_duration

Setting = Literal["pool", "users", "workers", "delay"]
MOST_VALUES = 20


@dataclass(frozen=True, slots=True)
class SweepAxis:
    """Which setting, and its values in ascending order; of a delay in seconds."""

    setting: Setting
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SweepStep:
    """A scenario of a sweep: what it is made from, and the value that it has."""

    scenario: str
    base: str
    value: float


SET: Mapping[Setting, Callable[[Overrides, float], Overrides]] = {
    "pool": lambda given, value: replace(given, pool=int(value)),
    "users": lambda given, value: replace(given, users=int(value)),
    "workers": lambda given, value: replace(given, workers=int(value)),
    "delay": lambda given, value: replace(given, delay_s=value),
}


def parse_values(setting: Setting, text: str) -> tuple[float, ...]:
    """`10,40,100`, or `10ms,1s` of a delay: ascending, each once. Raises UserError."""
    pieces = [piece.strip() for piece in text.split(",")]
    if setting == "delay":
        found = {parse_duration("--delay", piece) for piece in pieces}
    else:
        wrong = next((piece for piece in pieces if not piece.isdecimal()), None)
        if wrong is not None:
            raise UserError(
                f"--{setting} {text!r}: {wrong!r} is no whole number; give some such as 10,40,100"
            )
        found = {float(piece) for piece in pieces}
    if len(found) > MOST_VALUES:
        raise UserError(f"--{setting} {text!r}: give {MOST_VALUES} values at the most")
    return tuple(sorted(found))


def select_sweep_axis(
    given: Mapping[Setting, tuple[float, ...] | None],
) -> tuple[SweepAxis, Overrides]:
    """The one setting with several values; those with one as overrides. Raises UserError."""
    several = {name: values for name, values in given.items() if values and len(values) > 1}
    if len(several) != 1:
        found = " and ".join(f"--{name}" for name in several) or "none of the settings"
        has = "have" if len(several) > 1 else "has"
        raise UserError(
            f"study sweep varies one thing: {found} {has} several values; give them to one of "
            "--pool, --users, --workers, --delay, such as --pool 10,40,100"
        )
    fixed = Overrides()
    for name, values in given.items():
        if values and name not in several:
            fixed = SET[name](fixed, values[0])
    ((setting, values),) = several.items()
    return SweepAxis(setting, values), fixed


def build_sweep_steps(
    scenarios: Sequence[Scenario], swept: SweepAxis, overrides: Overrides
) -> tuple[tuple[Scenario, ...], tuple[SweepStep, ...]]:
    """Each scenario at each value, under names of their own. Raises UserError."""
    found: list[Scenario] = []
    steps: list[SweepStep] = []
    for value in swept.values:
        for each in apply_overrides(scenarios, SET[swept.setting](overrides, value)):
            name = f"{each.name}.{swept.setting}-{format_setting_value(swept.setting, value)}"
            found.append(replace(each, name=name, subject="", contender=""))
            steps.append(SweepStep(name, each.name, value))
    return tuple(found), tuple(steps)


def format_setting_value(setting: Setting, value: float) -> str:
    return f"{1000 * value:g}ms" if setting == "delay" else f"{value:g}"
