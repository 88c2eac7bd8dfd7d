"""Looking: at the catalogue, at this machine, at runs that were recorded."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from scenarios.catalogue import GROUPS, select_scenarios
from scenarios.model import Scenario
from study import options as o
from study.compare import compare_directories
from study.doctor import print_findings as examine_machine
from study.report import rebuild_reports as report_again


def list_scenarios(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENARIO|GROUP]...", help="All if none is named."),
    ] = None,
) -> int:
    """Scenarios by group: the question each asks, and what to expect."""
    chosen = select_scenarios(tuple(names or GROUPS))
    for group in dict.fromkeys(each.group for each in chosen):
        print(group)
        print("\n".join(format_group([each for each in chosen if each.group == group])))
        print()
    return 0


def format_group(scenarios: Sequence[Scenario]) -> Iterator[str]:
    """What all of them expect is said once, at the end."""
    together = len(scenarios) > 1 and len({each.expect for each in scenarios}) == 1
    for scenario in scenarios:
        yield f"  {scenario.name:<24}{scenario.question}"
        if not together:
            yield f"  {'':<24}expect: {scenario.expect}"
    if together:
        yield f"  {'':<24}expect: {scenarios[0].expect}"


def report(directory: Annotated[Path, typer.Argument(help="A run directory.")]) -> int:
    """Makes every report of a run again, from its records."""
    return report_again(directory)


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="The run directory to compare with.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The one that may have changed.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Even where more than the code is unlike.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Also as a page with pictures, such as compared.html.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")] = False,
) -> int:
    """Is run B different from run A: figure by figure, with what chance alone would make."""
    return compare_directories(a, b, anyway, json, html)


def doctor(port: o.Port = o.DEFAULT_PORT) -> int:
    """Can this machine run the study: ports, descriptors, cores, toolchains, versions."""
    return examine_machine(port)
