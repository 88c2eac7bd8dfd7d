"""Turns the `Setting` of a field or an argument into an option of the command line; the options
that several commands share."""

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
"""Groups of options in the help, in this order."""
OWN_VALUES = "An option replaces the scenario's value; [default] is the value of most scenarios."
QUICK_USERS = 50
QUICK_DURATION_S = 4.0
QUICK_SCENARIOS = (
    "sync-http-shared", "async-http-shared", "async-http-sync-shared", "async-http-offload",
)  # fmt: skip
"""The three styles and the repair of the blocking one; nothing else differs."""
DEFAULT_PORT = 4242
DEFAULT_OUT = Path("results")

Names = Annotated[
    str,
    Setting(
        "Scenarios, see `study list`; if none is named, the groups classic (a client per request) "
        "and fair (a shared client), or with --quick four of fair.",
        name="SCENARIO|GROUP|FILE",
    ),
]
Name = Annotated[str, Setting("Scenarios; see `study list`.", name="SCENARIO|GROUP|FILE")]
Quick = Annotated[bool, Setting(
    "Short version: at most 50 users and windows of 4 s.",
    group="Load",
)]  # fmt: skip
Port = Annotated[int, Setting("Port of the server; 0 picks a free one.", bounds=(0, 65535))]
Verbose = Annotated[
    bool, Setting("All findings and notices of an audit, each with its stack.", alias="-v")
]
Json = Annotated[bool, Setting("Only JSON on stdout.")]
Out = Annotated[Path, Setting("Folder for run directories.", metavar="DIRECTORY")]


def declare_command(
    without: Collection[str] = (), **types: "type[DataclassInstance]"
) -> Callable[[Command], Command]:
    """Return a decorator that turns each argument with a `Setting`, and each field of a dataclass
    argument, into an option. without: names of options to leave out. types: dataclasses built at
    run time, by argument, which keep all their fields."""

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
    """Return a subclass whose annotations cyclopts understands."""
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
        show_default=False if usual is False or usual in (None, (), "") else lambda _: shown,
        show_choices=False,
    )


def build_group(option: Option) -> Group:
    """Return the option's group in the help. A positional argument's name has no --."""
    if not option.name.startswith("--"):
        return Group.create_default_arguments()
    name = option.group or "Run"
    return Group(name, OWN_VALUES if name == "Load" else "", sort_key=GROUPS.index(name))


def build_converter(option: Option, unit: Unit) -> Callable[[type, Sequence[Token]], object]:
    """Return a parser for a number within its bounds; it raises UserError."""

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
    """Reduce users and window. The delay stays: with a short one a blocked loop serves more
    requests per second, and the difference between the styles is smaller."""
    return tuple(
        replace(
            each,
            load=replace(
                each.load, users=min(QUICK_USERS, each.load.users), duration_s=QUICK_DURATION_S
            ),
        )
        for each in scenarios
    )
