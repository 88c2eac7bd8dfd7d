"""`study run`, and `study serve` for a server that another terminal measures."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from scenarios.catalogue import contrast
from scenarios.errors import UserError
from scenarios.model import Scenario
from scenarios.options import Setting
from scenarios.overrides import apply_overrides
from scenarios.resolution import resolve_scenario
from scenarios.settings import HAS_POSTGRESQL, Overrides
from study import options as o
from study.distribution import DistributionOptions, build_distribution
from study.run_flags import RunFlags, build_run_options

if TYPE_CHECKING:
    from analysis.summary.thresholds import Threshold
    from stress.stack import Stack

LOAD_OF_A_RUN = (
    "--users", "--spawn-rate", "--duration", "--think-time", "--think-spread", "--user-class",
    "--load-processes", "--arrival-rate", "--arrivals", "--keep-alive", "--requests", "--engine",
    "--access-log", "--db-pool",
)  # fmt: skip


# fmt: off
@o.declare_command()
def run(
    *names: o.Names,
    quick: o.Quick = False,
    overrides: Overrides = Overrides(),
    targets: Annotated[tuple[str, ...], Setting(
        "Running server, such as a=http://127.0.0.1:8000/api; the first one is the base. For the "
        "group contrast. Repeatable.",
        name="--target", metavar="NAME=URL", group="Contrast",
    )] = (),
    endpoints: Annotated[tuple[str, ...], Setting(
        "Request instead of the default eight, such as 'POST /echo {\"a\": 1}'. For the group "
        "contrast. Repeatable.", name="--endpoint", metavar="'METHOD PATH [JSON]'",
        group="Contrast",
    )] = (),
    database_url: Annotated[str | None, Setting(
        "Your PostgreSQL server, such as postgresql://user:password@host:port/name; the embedded "
        "one if neither this nor STUDY_DATABASE_URL is given. The study creates a database there "
        "and drops it.", group="Database", metavar="URL",
    )] = None,
    expect: Annotated[tuple[str, ...], Setting(
        "Threshold, such as 'async-http-shared: failures == 0, p99_ms < 1200', or a .toml file of "
        "thresholds; exit code 1 if one is not met. Repeatable.", metavar="TEXT|FILE",
    )] = (),
    distribution: DistributionOptions = DistributionOptions(),
    flags: RunFlags = RunFlags(),
    profile: Annotated[bool, Setting(
        "Flame graph of each Python server by py-spy, which slows the server a little.",
    )] = False,
    served: Annotated[bool, Setting(
        "Use the server that `study serve` runs; a fresh server per scenario if none is "
        "running.",
    )] = False,
) -> int:
    """Run scenarios, each on a fresh server: a table row for each, then the answer.

    For example:
        study run --quick
        study run async-http --users 200 --duration 20s
        study run ./mine.py --trials 5
    """
    # fmt: on
    from study.run import run_study

    spread = build_distribution(distribution, overrides.load_processes, served)
    chosen = choose_measured_scenarios(names, targets, endpoints, quick)
    scenarios = apply_overrides(chosen, overrides)
    if spread:
        reject_local_load(scenarios, targets)
        scenarios = apply_overrides(scenarios, Overrides(load_processes=spread.expect_workers))
    give_database(database_url, scenarios)
    order = replace(
        build_run_options(flags, names, quick=quick),
        expectations=parse_expectations(expect),
        distribution=spread,
        profile=profile,
        explain=not (quick or profile),
    )
    return run_study(scenarios, order, find_served_stack(scenarios, flags) if served else None)


def find_served_stack(scenarios: Sequence[Scenario], flags: RunFlags) -> "Stack | None":
    """Return None, with a message, if no server runs. Raises UserError if it does not fit."""
    from study.machine_facts import detect_resources
    from study.serve import attach_served_stack, print_attached_stack

    offered = detect_resources()
    resolved = tuple(resolve_scenario(each, offered) for each in scenarios)
    stack = attach_served_stack(flags.out, resolved)
    if not flags.quiet:
        print_attached_stack(stack, flags.out)
    return stack


def parse_expectations(given: Sequence[str]) -> "tuple[Threshold, ...]":
    """Read each path to a .toml file and parse every other text. Raises UserError."""
    from analysis.summary.thresholds import parse_thresholds, read_thresholds

    found = (
        read_thresholds(Path(each)) if each.endswith(".toml") else parse_thresholds(each)
        for each in given
    )
    return tuple(threshold for several in found for threshold in several)


def choose_measured_scenarios(
    names: Sequence[str], targets: Sequence[str], endpoints: Sequence[str], quick: bool
) -> tuple[Scenario, ...]:
    if not targets and not endpoints:
        return o.choose_run_scenarios(names, quick)
    if list(names) != [contrast.GROUP]:
        given = "--target" if targets else "--endpoint"
        raise UserError(f"{given} is only for the group contrast: study run contrast {given} ...")
    chosen = contrast.choose_contrast_scenarios(targets, endpoints)
    return o.shorten_scenarios(chosen) if quick else chosen


def reject_local_load(scenarios: Sequence[Scenario], targets: Sequence[str]) -> None:
    """Raises UserError for what works only with this machine's load."""
    for each in scenarios:
        local = {
            "--target": bool(targets),
            f"the engine {each.load.engine}": each.load.engine != "locust",
            "a number of requests": each.load.requests is not None,
        }
        for what, given in local.items():
            if given:
                raise UserError(
                    f"{each.name}: {what} works only with the load of this machine; leave out "
                    "either that or --distributed"
                )


def give_database(url: str | None, scenarios: Sequence[Scenario]) -> None:
    """Raises UserError for an address that is wrong, or that no scenario uses."""
    from stress.database_url import set_database_url

    set_database_url(url)
    if url is not None and not any(map(HAS_POSTGRESQL.holds, scenarios)):
        raise UserError(
            f"--database-url: none of the chosen scenarios {HAS_POSTGRESQL.words}; leave it out"
        )


@o.declare_command(without=LOAD_OF_A_RUN)
def serve(
    *, overrides: Overrides = Overrides(), port: o.Port = o.DEFAULT_PORT, out: o.Out = o.DEFAULT_OUT
) -> int:
    """Run the classic upstream and server until Ctrl-C, for measurements from another terminal.

    For example:
        study serve --delay 500ms --pool 10
    """
    from study.serve import serve_stack

    return serve_stack(overrides, port, out)
