"""An option, declared once by the `Setting` of its field: its name, checks and target."""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar, get_args, get_origin, get_type_hints

from scenarios.errors import UserError
from scenarios.model import Client, Database, Endpoint, Scenario, Server, Upstream
from scenarios.units import COUNT, DURATION, SECONDS, Unit, format_plain_number

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Condition:
    """The scenarios that an option applies to. words: follows "none of the chosen scenarios"."""

    words: str
    holds: Callable[[Scenario], bool]


@dataclass(frozen=True, slots=True)
class Setting:
    """The properties of an option besides its type and default.

    sets: the path of its value in a `Scenario`, such as "load.users". sweepable: example values for
    `study sweep`. environment: the variable that the app reads; a duration is in milliseconds
    there. label: the report's words for the setting. name, group: given only if they do not follow
    from the field. alias: a second name.
    """

    help: str
    sets: str = ""
    applies_to: Condition | None = None
    unit: Unit | None = None
    bounds: tuple[float, float] | None = None
    needs_locust: bool = False
    sweepable: str = ""
    environment: str = ""
    label: str = ""
    name: str = ""
    alias: str = ""
    group: str = ""
    metavar: str = ""


SILENT = Scenario(
    "", "", "", "", "", Endpoint("/", "def"), Server(),
    client=Client(), upstream=Upstream(), database=Database("postgresql"),
)  # fmt: skip
"""A scenario with every default."""


@dataclass(frozen=True, slots=True)
class Option:
    """A dataclass field or a command's argument with a `Setting`. kind: its type without None."""

    field: str
    kind: object
    default: object
    setting: Setting

    @property
    def name(self) -> str:
        return self.setting.name or "--" + self.field.removesuffix("_s").replace("_", "-")

    @property
    def unit(self) -> Unit | None:
        return self.setting.unit or (COUNT if self.kind is int else None)

    @property
    def group(self) -> str:
        return self.setting.group or self.setting.sets.partition(".")[0].capitalize()

    @property
    def choices(self) -> tuple[str, ...]:
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    def read(self, scenario: Scenario) -> object:
        """Return the scenario's value; None if the scenario has no such part."""
        part = self.setting.sets.rpartition(".")[0]
        if part and getattr(scenario, part) is None:
            return None
        return attrgetter(self.setting.sets)(scenario)

    def get_usual_value(self) -> object:
        """Return the default; for an override, the default of a scenario."""
        return self.read(SILENT) if self.setting.sets else self.default

    def format_value(self, value: object) -> str:
        if self.unit and isinstance(value, int | float):
            return self.unit.format(value)
        return str(value)

    def format_typed(self, value: object) -> str:
        """Return the option and value as a user types them."""
        if isinstance(value, bool):
            return self.name if value else self.name.replace("--", "--no-")
        return f"{self.name} {self.format_value(value)}"

    def check_bounds(self, value: object) -> None:
        """Check the range, and the step that a server or the app takes. Raises UserError."""
        self.check_range(value)
        if not isinstance(value, int | float):
            return
        if self.unit is SECONDS and value != int(value):
            raise UserError(f"{self.name} {value:g}: gunicorn takes whole seconds")
        is_of_app = self.unit is DURATION and bool(self.setting.environment)
        if is_of_app and round(1000 * value, 6) % 1:  # 1000 * 0.029 is not exactly 29
            raise UserError(f"{self.format_typed(value)}: give whole milliseconds")

    def check_range(self, value: object) -> None:
        """Raises UserError."""
        if self.setting.bounds is None or not isinstance(value, int | float):
            return
        lowest, highest = self.setting.bounds
        if not lowest <= value <= highest:
            raise UserError(
                f"{self.name} {format_plain_number(value)}: "
                f"give {format_plain_number(lowest)} to {format_plain_number(highest)}"
                f"{self.unit.words if self.unit else ''}"
            )


def build_option(field: str, hint: object, default: object) -> Option | None:
    """Return None if the annotation has no `Setting`."""
    setting = next((each for each in get_args(hint)[1:] if isinstance(each, Setting)), None)
    if get_origin(hint) is not Annotated or setting is None:
        return None
    kind = get_args(hint)[0]
    if NoneType in get_args(kind):
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    return Option(field, kind, default, setting)


@cache
def list_options(declared: type["DataclassInstance"]) -> tuple[Option, ...]:
    """Return the options of the class's fields, in their order."""
    hints = get_type_hints(declared, include_extras=True)
    found = (
        build_option(each.name, hints[each.name], None if each.default is MISSING else each.default)
        for each in fields(declared)
    )
    return tuple(each for each in found if each)


def list_given_options(values: "DataclassInstance") -> list[tuple[Option, object]]:
    """Return the options that are not at their default, with their values."""
    found = ((each, getattr(values, each.field)) for each in list_options(type(values)))
    return [(option, value) for option, value in found if value != option.default]


def replace_value(record: Record, path: str, value: object) -> Record:
    """Return a copy with a new value at a path such as "load.users", if it has that part."""
    name, _, rest = path.partition(".")
    if rest:
        part = getattr(record, name)
        if part is None:
            return record
        value = replace_value(part, rest, value)
    return replace(record, **{name: value})


def check_bounds(values: "DataclassInstance") -> None:
    """Raises UserError that names the first value out of bounds."""
    for option, value in list_given_options(values):
        option.check_bounds(value)
