"""Statements about a blocked event loop: by a blocking call, or by creating clients."""

from analysis.answers.base import Statement
from analysis.answers.explanation import ONE_CLIENT, TO_THREAD, explain_limit
from analysis.answers.factors import join_words, list_served
from analysis.answers.harm import Harm, describe_harm, find_harm
from analysis.answers.measured_scenario import MOST_OF_THE_TIME, MeasuredScenario, Served
from analysis.answers.results import Results
from analysis.answers.slower import Slower, sort_by_harm
from analysis.stats import formats
from analysis.summary.predicates import is_blocking_call

MOST_LISTED = 2
"""Maximum of further pairs in a sentence."""


class BlockingCall(Statement):
    """A blocking call in `async def` takes most of the event loop's time."""

    rank = 20

    served: tuple[Served, ...]
    reference: Served
    one_in: int
    """One in so many requests blocks."""
    place: str
    """The line that blocked the loop most; empty where unknown."""
    harm: Harm
    harm_in: str
    """The scenario with that harm."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        return tuple(cls.build(each) for each in results.select_caused("blocking call"))

    @classmethod
    def build(cls, slower: tuple[Slower, ...]) -> Statement:
        worst = sort_by_harm(slower)[0]
        case, scenario = worst.case, worst.case.scenario
        sites = [one for each in case.usable_trials for one in each.blocking_sites]
        waits = [one for one in sites if is_blocking_call(one)]
        rare = None if scenario.endpoint.blocks_the_loop else scenario.rare
        return cls(
            served=tuple(each.case.served for each in slower),
            reference=worst.reference.served,
            one_in=rare.one_in if rare else 1,
            place=str(waits[0]) if waits else "",
            harm=find_harm(case),
            harm_in=case.name,
        )

    @property
    def message(self) -> str:
        rare = "" if self.one_in == 1 else f" in 1 of {self.one_in} requests"
        found = (
            f"With a blocking call in async def{rare}, {list_served(self.served)}, while "
            f"{self.reference.name} serves {self.reference}"
        )
        harm = describe_harm(self.harm)
        where = f"in {self.harm_in}, " if len(self.served) > 1 else ""
        return f"{found}; {where}{harm}." if harm else f"{found}."

    @property
    def rule(self) -> str | None:
        return "one-blocks-all" if self.one_in == 1 else "one-in-a-hundred"

    @property
    def change(self) -> str:
        line = f" ({self.place})" if self.place else ""
        return f"await an async version of the blocking call{line}, or {TO_THREAD}"


class ClientForEachRequest(Statement):
    """Creating a client for each request costs the server most of its time."""

    rank = 30

    pairs: tuple[tuple[Served, Served], ...]
    """One client per request, and one client for all; the most expensive pair first."""
    cpu_ms: float | None
    """CPU per request of the first pair."""
    shared_cpu_ms: float | None
    harm: tuple[str, ...]
    """Clauses where most requests of the first pair fail: its CPU then explains nothing."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        return tuple(cls.build(each) for each in results.select_caused("client per request"))

    @classmethod
    def build(cls, slower: tuple[Slower, ...]) -> Statement:
        worst_first = sort_by_harm(slower)
        worst = worst_first[0]
        return cls(
            pairs=tuple((each.case.served, each.reference.served) for each in worst_first),
            cpu_ms=worst.case.get_median("cpu_ms_per_request"),
            shared_cpu_ms=worst.reference.get_median("cpu_ms_per_request"),
            harm=tuple(list_failures(worst.case)),
        )

    @property
    def message(self) -> str:
        (case, shared), *others = self.pairs
        found = (
            f"With one client per request, {case.name} serves {case} requests/s; with one shared "
            f"client, {shared.name} serves {shared}"
        )
        if self.harm:
            found += f" ({case.name}: {join_words(self.harm)})"
        elif self.cpu_ms and self.shared_cpu_ms and self.cpu_ms > self.shared_cpu_ms:
            cpu, less = map(formats.milliseconds, (self.cpu_ms, self.shared_cpu_ms))
            found += f", since CPU per request is {less} ms instead of {cpu} ms"
        if not others:
            return f"{found}."
        if len(others) > MOST_LISTED:
            mildest = describe_pair(*others[-1])
            return f"{found}. {len(others)} other pairs show the same; in the mildest, {mildest}."
        return f"{found}. Also, {join_words([describe_pair(*each) for each in others])}."

    @property
    def rule(self) -> str | None:
        return "client-life"

    @property
    def change(self) -> str:
        return ONE_CLIENT


def describe_pair(case: Served, reference: Served) -> str:
    return f"{case.name} serves {case} instead of {reference}"


def list_failures(case: MeasuredScenario) -> list[str]:
    """List why it serves so little; empty unless most of its requests fail."""
    ratio, limit = case.get_median("failure_ratio") or 0.0, case.limit
    if ratio <= MOST_OF_THE_TIME:
        return []
    found = [f"{formats.percent(ratio)} of its requests fail"]
    if limit is not None and limit.resource == "worker restarts":
        found.append(explain_limit(limit).clause)
    return found
