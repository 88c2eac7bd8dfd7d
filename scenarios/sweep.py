"""One scenario with one setting at several values: what does more of it gain?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scenarios.errors import UserError
from scenarios.model import Scenario
from scenarios.options import Option, list_options, replace_value
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides
from scenarios.units import DURATION, parse_duration

MOST_VALUES = 20
SWEEPABLE: Mapping[str, Option] = {
    option.name.removeprefix("--"): option
    for option in list_options(Overrides)
    if option.setting.sweepable
}
"""The options that take several values, by the setting's name. All are numbers."""


@dataclass(frozen=True, slots=True)
class SweepAxis:
    """The swept setting and its values in ascending order; a delay in seconds."""

    setting: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SweepStep:
    """One scenario of a sweep, the scenario it derives from, and its value of the setting."""

    scenario: str
    base: str
    value: float


def parse_values(setting: str, text: str) -> tuple[float, ...]:
    """Parse `10,40,100` or `10ms,1s`: ascending, without duplicates. Raises UserError."""
    option = SWEEPABLE[setting]
    pieces = [piece.strip() for piece in text.split(",")]
    if option.unit is DURATION:
        found = {parse_duration(option.name, piece) for piece in pieces}
    else:
        wrong = next((piece for piece in pieces if not piece.isdecimal()), None)
        if wrong is not None:
            raise UserError(
                f"--{setting} {text!r}: {wrong!r} is not a whole number; give some such as 10,40"
            )
        found = {float(piece) for piece in pieces}
    for each in found:
        option.check_bounds(each)
    if len(found) > MOST_VALUES:
        raise UserError(f"--{setting} {text!r}: give at most {MOST_VALUES} values")
    return tuple(sorted(found))


def select_sweep_axis(
    given: Mapping[str, Sequence[float]], overrides: Overrides
) -> tuple[SweepAxis, Overrides]:
    """Return the axis, and overrides with the settings that have one value. Raises UserError."""
    several = {name: values for name, values in given.items() if len(values) > 1}
    if len(several) != 1:
        found = " and ".join(f"--{name}" for name in several) or "none of the settings"
        has = "have" if len(several) > 1 else "has"
        raise UserError(
            f"study sweep varies one setting: {found} {has} several values; give several to one "
            f"of {', '.join(f'--{name}' for name in SWEEPABLE)}, such as --pool 10,40,100"
        )
    for name, values in given.items():
        if len(values) == 1:
            overrides = set_swept_value(overrides, name, values[0])
    ((setting, values),) = several.items()
    return SweepAxis(setting, tuple(values)), overrides


def set_swept_value(overrides: Overrides, setting: str, value: float) -> Overrides:
    option = SWEEPABLE[setting]
    return replace_value(overrides, option.field, int(value) if option.kind is int else value)


def build_sweep_steps(
    scenarios: Sequence[Scenario], swept: SweepAxis, overrides: Overrides
) -> tuple[tuple[Scenario, ...], tuple[SweepStep, ...]]:
    """Return each scenario at each value under a new name. Raises UserError."""
    found: list[Scenario] = []
    steps: list[SweepStep] = []
    for value in swept.values:
        for each in apply_overrides(scenarios, set_swept_value(overrides, swept.setting, value)):
            name = f"{each.name}.{swept.setting}-{format_setting_value(swept.setting, value)}"
            found.append(replace(each, name=name, subject="", contender=""))
            steps.append(SweepStep(name, each.name, value))
    return tuple(found), tuple(steps)


def format_setting_value(setting: str, value: float) -> str:
    in_seconds = SWEEPABLE[setting].setting.unit is DURATION
    return f"{1000 * value:g}ms" if in_seconds else f"{value:g}"
