"""Looking: at the catalogue, at this machine, at runs that were recorded."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from scenarios.catalogue import GROUPS
from scenarios.model import Scenario
from scenarios.options import Setting
from study import options as o
from study.gate_options import GateOptions
from study.scenario_files import choose_scenarios


@o.declare_command()
def list(
    *names: Annotated[str, Setting("All if none is named.", name="SCENARIO|GROUP|FILE")],
) -> int:
    """Scenarios by group: the question each asks, and what to expect.

    For example:
        study list classic clients
    """
    chosen = choose_scenarios(names, GROUPS)
    for group in dict.fromkeys(each.group for each in chosen):
        print(group)
        print("\n".join(format_group([each for each in chosen if each.group == group])))
        print()
    return 0


def format_group(scenarios: Sequence[Scenario]) -> Iterator[str]:
    """What all of them expect is said once, at the end."""
    together = len(scenarios) > 1 and len({each.expect for each in scenarios}) == 1
    for scenario in scenarios:
        yield f"  {scenario.name:<26}{scenario.question}"
        if not together:
            yield f"  {'':<26}expect: {scenario.expect}"
    if together:
        yield f"  {'':<26}expect: {scenarios[0].expect}"


# fmt: off
@o.declare_command()
def report(
    directory: Annotated[Path, Setting("A run directory.", name="DIRECTORY")],
    /,
    *,
    gate: GateOptions = GateOptions(),
    verbose: Annotated[bool, Setting(
        "Of an audit: all findings and notices with their sentences, and stacks.", alias="-v",
    )] = False,
) -> int:
    """Makes every report of a run again, from its records.

    For example:
        study report results/20261122T064600Z-classic
        study report results/20261122T064600Z-audit --fail-on error
    """
    # fmt: on
    from study.report import rebuild_reports

    return rebuild_reports(directory, gate.open_gate(), verbose=verbose)


@o.declare_command()
def compare(
    a: Annotated[Path, Setting("The run directory to compare with.", name="A")],
    b: Annotated[Path, Setting("The one that may have changed.", name="B")],
    /,
    *,
    anyway: Annotated[bool, Setting("Even where more than the code is unlike.")] = False,
    html: Annotated[
        Path | None,
        Setting("Also as a page with pictures, such as compared.html.", metavar="FILE"),
    ] = None,
    json: o.Json = False,
) -> int:
    """Is run B different from run A: figure by figure, with what chance alone would make.

    For example:
        study compare results/A results/B --html compared.html
    """
    from study.compare import compare_directories

    return compare_directories(a, b, anyway, json, html)


@o.declare_command()
def doctor(*, port: o.Port = o.DEFAULT_PORT) -> int:
    """Can this machine run the study: ports, descriptors, cores, toolchains, versions.

    For example:
        study doctor
    """
    from study.doctor import print_findings

    return print_findings(port)
