"""Harm beyond lost throughput: to background requests and to starved users."""

from dataclasses import dataclass

from analysis.answers.factors import join_words
from analysis.answers.measured_scenario import MeasuredScenario
from analysis.stats import formats
from analysis.summary.predicates import BYSTANDER_NOTED_MS


@dataclass(frozen=True, slots=True)
class Harm:
    """Harm to a scenario's background requests and users. wait_ms: None where it is unknown or
    negligible. refused: failed background requests of all `pings`. unanswered: users without any
    response in the window."""

    path: str
    wait_ms: float | None
    wait_is_bound: bool
    refused: int
    pings: int
    users: int
    unanswered: int | None


def find_harm(case: MeasuredScenario, is_wait_noted: bool = True) -> Harm:
    """Leave out a short wait where some background requests fail: it is no good sign then."""
    refused, pings = count_refused(case)
    wait_ms = case.background_ms if is_wait_noted else None
    if refused and (wait_ms or 0.0) <= BYSTANDER_NOTED_MS:
        wait_ms = None
    return Harm(
        path=case.scenario.bystander.path,
        wait_ms=wait_ms,
        wait_is_bound=case.is_background_bound,
        refused=refused,
        pings=pings,
        users=case.scenario.load.users,
        unanswered=case.unanswered,
    )


def count_refused(case: MeasuredScenario) -> tuple[int, int]:
    """Count background requests that failed with a response or without a connection, and all."""
    found = [each.bystander for each in case.usable_trials]
    refused = sum(max(0, each.failures - each.unanswered) for each in found)
    return refused, sum(each.pings for each in found)


def describe_harm(harm: Harm) -> str:
    """Describe it as a clause; empty where there is none."""
    found, of = [], f" background requests to {harm.path}"
    if harm.wait_ms is not None:
        least = "at least " if harm.wait_is_bound else ""
        found.append(f"{of[1:]} wait {least}{formats.duration(harm.wait_ms)}")
        of = ""
    if harm.refused:
        verb = "fails" if harm.refused == 1 else "fail"
        found.append(f"{harm.refused:,} of {harm.pings:,}{of} {verb}")
    if harm.unanswered:
        verb = "gets" if harm.unanswered == 1 else "get"
        found.append(f"{harm.unanswered:,} of {harm.users:,} users {verb} no response at all")
    return join_words(found) if found else ""
