"""Who suffers beyond the load's own throughput."""

from dataclasses import dataclass

from analysis.answers.factors import join_words
from analysis.answers.measured_scenario import MeasuredScenario
from analysis.stats import formats
from analysis.summary.predicates import BYSTANDER_NOTED_MS


@dataclass(frozen=True, slots=True)
class Harm:
    """What background requests and the users of a scenario see. wait_ms: None where it is not
    known, or not worth a word. refused: of so many pings. unanswered: users without any answer in
    the window."""

    path: str
    wait_ms: float | None
    wait_is_bound: bool
    refused: int
    pings: int
    users: int
    unanswered: int | None


def find_harm(case: MeasuredScenario, is_wait_noted: bool = True) -> Harm:
    """Where some are refused, a short wait of the others is no good sign."""
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
    """Background requests that failed with an answer or without a connection, and all of them."""
    found = [each.bystander for each in case.usable_trials]
    refused = sum(max(0, each.failures - each.unanswered) for each in found)
    return refused, sum(each.pings for each in found)


def describe_harm(harm: Harm) -> str:
    """As a clause; empty where nobody suffers."""
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
        found.append(f"{harm.unanswered:,} of {harm.users:,} users {verb} no answer at all")
    return join_words(found) if found else ""
