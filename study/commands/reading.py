"""Commands that show the catalogue, this machine and recorded runs."""

from pathlib import Path
from typing import Annotated

from scenarios.catalogue import GROUPS
from scenarios.errors import ALL_WELL, UserError
from scenarios.options import Setting
from study import options as o
from study.gate_options import GateOptions
from study.scenario_files import choose_scenarios


@o.declare_command()
def list(
    *names: Annotated[
        str, Setting("What to list; the groups if not given.", name="GROUP|SCENARIO|FILE")
    ],
    all_: Annotated[bool, Setting("Every scenario of every group.", name="--all")] = False,
) -> int:
    """List the groups of scenarios, or the scenarios of a group, with their questions.

    For example:
        study list
        study list fair clients
    """
    from study.catalogue import list_groups, list_scenarios

    if names and all_:
        raise UserError("--all lists every scenario: leave the names out")
    if not (names or all_):
        lines = list_groups()
    else:
        lines = list_scenarios(choose_scenarios(GROUPS if all_ else names))
    print(*lines, sep="\n")
    return ALL_WELL


@o.declare_command()
def show(name: o.Name, /, *more: o.Name) -> int:
    """Show a scenario: settings, what to expect and why, and how long it takes.

    For example:
        study show sync-http-shared
    """
    from study.catalogue import show_scenarios

    print(*show_scenarios(choose_scenarios((name, *more))), sep="\n")
    return ALL_WELL


# fmt: off
@o.declare_command()
def report(
    directory: Annotated[Path, Setting("Run directory.", name="DIRECTORY")],
    /,
    *,
    gate: GateOptions = GateOptions(),
    verbose: o.Verbose = False,
) -> int:
    """Print the results of a recorded run, and write its reports again from its records.

    For example:
        study report results/20261122T064600Z-classic
        study report results/20261122T064600Z-audit --fail-on error
    """
    # fmt: on
    from study.report import rebuild_reports

    return rebuild_reports(directory, gate.open_gate(), verbose=verbose)


@o.declare_command()
def compare(
    a: Annotated[Path, Setting("Run directory of the base.", name="A")],
    b: Annotated[Path, Setting("Run directory to compare with the base.", name="B")],
    /,
    *,
    anyway: Annotated[bool, Setting(
        "Compare even if the settings differ, which is otherwise an error.",
    )] = False,
    html: Annotated[
        Path | None,
        Setting("Page with charts, such as compared.html; none if not given.", metavar="FILE"),
    ] = None,
    json: o.Json = False,
) -> int:
    """Compare two runs metric by metric: does B differ from A, or is it chance?

    For example:
        study compare results/A results/B --html compared.html
    """
    from study.compare import compare_directories

    return compare_directories(a, b, anyway, json, html)


@o.declare_command()
def doctor(*, port: o.Port = o.DEFAULT_PORT) -> int:
    """Check whether this machine can run the study: cores, descriptors, port, compilers.

    For example:
        study doctor
    """
    from study.doctor import print_findings

    return print_findings(port)
