"""`study predict`: options and their contradictions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from scenarios.errors import UserError
from scenarios.model import Scenario
from scenarios.options import Setting, list_given_options
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides
from scenarios.units import DURATION, RATE, Second
from study import options as o
from study.messages import print_message

if TYPE_CHECKING:
    from study.predict import PredictionRequest

MOST_RUN_USERS = 100_000
UNKNOWN_TO_FORMULAS = {
    "--arrival-rate": "a rate has no users",
    "--lifo": "the order of a queue changes no mean",
    "--duration": "a steady state has no end",
    "--requests": "a steady state has no end",
}
"""Options without effect on a range of users, which formulas predict."""
UNKNOWN_TO_A_SIZE = {
    "--users": "a target is a rate, not a number of users",
    "--think-time": "a target has no users who pause",
    "--think-spread": "a target has no users who pause",
    "--arrival-rate": "the target is the rate",
    "--arrivals": "a target's arrivals are always random",
    "--duration": "the simulation lasts as long as a p99 needs",
    "--requests": "the simulation has as many as a p99 needs",
    "--workers": "the number of workers is the answer",
    "--lifo": "sizing simulates first come, first served",
}
UNKNOWN_TO_THEORY = (
    "--spawn-rate", "--user-class", "--load-processes", "--server", "--loop", "--http",
    "--client-connections", "--upstream", "--db-pool", "--keep-alive", "--requests", "--engine",
    "--access-log", "--users",
)  # fmt: skip


# fmt: off
Target = Annotated[float | None, Setting(
    "Target rate, such as 20000/s; requires --p99; predicts workers and machines.", unit=RATE,
    bounds=(0.1, 1_000_000),
)]


@o.declare_command(UNKNOWN_TO_THEORY)
def predict(
    *names: o.Names,
    users: Annotated[str | None, Setting(
        "Concurrent users, or a range such as 100..100000; the scenario's own if not given.",
        group="Load", metavar="N|A..B",
    )] = None,
    requests: Annotated[int | None, Setting(
        "Requests that an overloaded open loop sends; if not given, it sends for --duration.",
        group="Load", bounds=(1, 1_000_000_000),
    )] = None,
    overrides: Overrides = Overrides(),
    quick: o.Quick = False,
    cpu: Annotated[Second | None, Setting(
        "CPU time per request, such as 0.5ms; calibrated if not given.", unit=DURATION,
        bounds=(0, 3600),
    )] = None,
    cores: Annotated[int | None, Setting(
        "Cores of each machine; this machine's if not given.", bounds=(1, 4096),
    )] = None,
    lifo: Annotated[bool, Setting(
        "Pool that wakes its newest waiter first (anyio < 3.7); otherwise the oldest.",
    )] = False,
    target: Target = None,
    p99: Annotated[Second | None, Setting(
        "Maximum p99 latency at --target, such as 2s.", unit=DURATION,
        bounds=(0.0001, 3600),
    )] = None,
    audit: Annotated[Path | None, Setting(
        "Run directory of a `study audit`, to predict that service with --users.",
        name="--from", metavar="DIRECTORY",
    )] = None,
    plot: Annotated[Path | None, Setting(
        "Chart of a range of --users: a .svg, .png or .html file.", metavar="FILE",
    )] = None,
    json: o.Json = False,
) -> int:
    """Predict throughput, latency and limits by queueing theory and simulation, without load.

    For example:
        study predict sync-http --pool 100
        study predict sync-http --users 100..100000 --cpu 1ms
        study predict sync-http --target 20000/s --p99 2s --cores 8 --cpu 1ms
        study predict --from results/20261129T061500Z-audit --users 500
    """
    # fmt: on
    from analysis.theory.formulas import parse_users
    from analysis.theory.sizing import LoadTarget
    from study.predict import PredictionRequest, predict_performance

    range_of_users = None if users is None else parse_users(users)
    given = {option.name for option, _ in list_given_options(overrides)}
    if audit is not None:
        from study.predict_audit import predict_audit

        named: dict[str, object] = {
            "a scenario": names, "--requests": requests, "--quick": quick, "--cpu": cpu,
            "--cores": cores, "--lifo": lifo, "--target": target, "--p99": p99, "--plot": plot,
        }  # fmt: skip
        reject_with_audit([*given, *(name for name, value in named.items() if value)])
        return predict_audit(audit, range_of_users, json)
    if range_of_users is not None and len(range_of_users) == 1:
        # a prediction starts nothing, so that it may have more users than a run
        overrides = replace(overrides, users=min(range_of_users[0], MOST_RUN_USERS))
    goal = None if target is None or p99 is None else LoadTarget(target, p99)
    question = PredictionRequest(range_of_users, cpu, cores, lifo, goal, plot, json)
    if (target is None) != (p99 is None):
        raise UserError("--target and --p99 must be given together: --target 20000/s --p99 2s")
    extra = {"--users": users, "--lifo": lifo, "--requests": requests}
    reject_useless_options(question, given | {name for name, value in extra.items() if value})
    scenarios = apply_overrides(o.choose_run_scenarios(names, quick), overrides)
    return predict_performance(fit_scenarios(scenarios, requests, range_of_users), question)


def fit_scenarios(
    scenarios: Sequence[Scenario], length: int | None, counts: Sequence[int] | None
) -> Sequence[Scenario]:
    """counts: of users. Raises UserError."""
    return set_test_length(leave_out_open_loops(scenarios, counts), length)


def leave_out_open_loops(
    scenarios: Sequence[Scenario], counts: Sequence[int] | None
) -> Sequence[Scenario]:
    """A range of users has no curve for them. Raises UserError if no other scenario is left."""
    if counts is None or len(counts) == 1:
        return scenarios
    left = tuple(each for each in scenarios if not each.load.is_open)
    for each in scenarios:
        why = f"--users: {each.name} is an open loop, which has no users"
        if not left:
            raise UserError(why)
        if each.load.is_open:
            print_message(f"{why}: left out")
    return left


def set_test_length(scenarios: Sequence[Scenario], length: int | None) -> Sequence[Scenario]:
    """Raises UserError if no scenario is an open loop."""
    if length is None:
        return scenarios
    if not any(each.load.is_open for each in scenarios):
        raise UserError("--requests is the length of an open loop: give --arrival-rate too")
    return [replace(each, load=replace(each.load, requests=length)) for each in scenarios]


def reject_useless_options(question: "PredictionRequest", given: Collection[str]) -> None:
    several = question.users is not None and len(question.users) > 1
    if question.plot is not None and not several:
        raise UserError("--plot draws a range of users: give one, such as --users 100..100000")
    if question.target is not None:
        reject_options(given, UNKNOWN_TO_A_SIZE, "--target")
    elif several:
        reject_options(given, UNKNOWN_TO_FORMULAS, "a range of --users")
    elif "--requests" in given:
        reject_options(given, {"--duration": "the requests are the length"}, "--requests")


def reject_with_audit(given: Sequence[str]) -> None:
    """Raises UserError."""
    if given:
        raise UserError(
            f"{given[0]} has no effect with --from: the audit measured its service; leave it out"
        )


def reject_options(given: Collection[str], unknown: Mapping[str, str], asked: str) -> None:
    """Raises UserError for an option that would have no effect."""
    for option, why in unknown.items():
        if option in given:
            raise UserError(f"{option} has no effect with {asked}: {why}; leave it out")
