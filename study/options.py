"""From the `Setting` at a field or an argument to what the command line knows of it, and the
options that several commands share."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import is_dataclass, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, get_type_hints

from cyclopts import Group, Parameter, Token

from scenarios.model import Scenario
from scenarios.options import Option, Setting, build_option, list_options
from scenarios.units import Unit
from study.scenario_files import choose_scenarios

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Command = TypeVar("Command", bound=Callable[..., int])

GROUPS = ("Load", "Server", "Client", "Upstream", "Database", "Contrast", "Other machines", "Run")
"""Of the help, in this order."""
OWN_VALUES = "Left out, a scenario's own value counts; [default] is what most of them have."
QUICK_USERS = 50
QUICK_DURATION_S = 4.0
QUICK_SCENARIOS = (
    "sync-http-shared", "async-http-shared", "async-http-sync-shared", "async-http-offload",
)  # fmt: skip
"""The three styles and the repair, where nothing but the style differs."""
DEFAULT_PORT = 4242
DEFAULT_OUT = Path("results")

Names = Annotated[str, Setting("classic and fair if none is named.", name="SCENARIO|GROUP|FILE")]
Name = Annotated[str, Setting("", name="SCENARIO|GROUP|FILE")]
Quick = Annotated[bool, Setting(
    "A first look: at most 50 users, windows of 4 s, and four scenarios if none is named.",
    group="Load",
)]  # fmt: skip
Port = Annotated[int, Setting("Of the server; 0 picks a free one.", bounds=(0, 65535))]
Json = Annotated[bool, Setting("Print JSON, nothing else.")]
Out = Annotated[Path, Setting("Folder that run directories go into.", metavar="FOLDER")]


def declare_command(
    without: Collection[str] = (), **types: "type[DataclassInstance]"
) -> Callable[[Command], Command]:
    """Makes each argument with a `Setting`, and each field of an argument that is a dataclass of
    them, an option of the command, but for those named. `types`: more of what an argument is
    than can be written down for it, and these with all fields."""

    def declare(command: Command) -> Command:
        hints = get_type_hints(command, include_extras=True)
        for name, argument in signature(command).parameters.items():
            hint = types.get(name, hints[name])
            option = build_option(name, hint, argument.default)
            if isinstance(hint, type) and is_dataclass(hint):
                derived = derive_options(hint, () if name in types else without)
                command.__kwdefaults__ = {**(command.__kwdefaults__ or {}), name: derived()}
                hint = Annotated[derived, Parameter(name="*")]
            elif option:
                hint = Annotated[hint, build_parameter(option)]
            command.__annotations__[name] = hint
        return command

    return declare


def derive_options(declared: "type[DataclassInstance]", without: Collection[str]) -> type:
    """The dataclass with its options as cyclopts reads them."""
    hints = get_type_hints(declared, include_extras=True)
    annotations = {
        each.field: Annotated[
            hints[each.field],
            Parameter(parse=False) if each.name in without else build_parameter(each),
        ]
        for each in list_options(declared)
    }
    return type(declared.__name__, (declared,), {"__annotations__": annotations})


def build_parameter(option: Option) -> Parameter:
    unit, usual = option.unit, option.get_usual_value()
    shown = option.format_typed(usual) if usual is True else option.format_value(usual)
    return Parameter(
        name=option.name,
        alias=option.setting.alias or None,
        help=option.setting.help,
        group=build_group(option),
        metavar=option.setting.metavar or (unit.metavar if unit else None),
        converter=build_converter(option, unit) if unit else None,
        n_tokens=1 if unit else None,
        negative="" if option.default is False else None,
        show_default=False if usual is False or usual in (None, ()) else lambda _: shown,
        show_choices=False,
    )


def build_group(option: Option) -> Group:
    """Of the help. An argument has no name that begins with --."""
    if not option.name.startswith("--"):
        return Group.create_default_arguments()
    name = option.group or "Run"
    return Group(name, OWN_VALUES if name == "Load" else "", sort_key=GROUPS.index(name))


def build_converter(option: Option, unit: Unit) -> Callable[[type, Sequence[Token]], object]:
    """For a number within its bounds; it raises UserError."""

    def convert(_kind: type, tokens: Sequence[Token]) -> object:
        value = unit.parse(option.name, tokens[0].value)
        option.check_bounds(value)
        return value

    return convert


def choose_run_scenarios(names: Sequence[str], quick: bool) -> tuple[Scenario, ...]:
    """Raises UserError."""
    if not quick:
        return choose_scenarios(names)
    return shorten_scenarios(choose_scenarios(names, QUICK_SCENARIOS))


def shorten_scenarios(scenarios: Sequence[Scenario]) -> tuple[Scenario, ...]:
    """With fewer users and a shorter window. The delay stays: with a short one a blocked loop
    serves more requests a second, and the difference between the styles is smaller."""
    return tuple(
        replace(
            each,
            load=replace(
                each.load, users=min(QUICK_USERS, each.load.users), duration_s=QUICK_DURATION_S
            ),
        )
        for each in scenarios
    )
