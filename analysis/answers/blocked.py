"""Who leaves the event loop no time for other requests: a blocking call, or making clients."""

from analysis.answers.base import Statement
from analysis.answers.explanation import ONE_CLIENT, explain_limit
from analysis.answers.factors import join_words, list_served
from analysis.answers.harm import Harm, describe_harm, find_harm
from analysis.answers.measured_scenario import MOST_OF_THE_TIME, MeasuredScenario, Served
from analysis.answers.results import Results
from analysis.answers.slower import Slower, sort_by_harm
from analysis.stats import formats

MOST_LISTED = 2
"""Further pairs that a sentence lists."""


class BlockingCall(Statement):
    """A blocking call in `async def` leaves its event loop no time for other requests."""

    rank = 20

    served: tuple[Served, ...]
    reference: Served
    one_in: int
    """Of how many requests one blocks."""
    place: str
    """The line that blocked the loop most; empty where it is not known."""
    harm: Harm

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        return tuple(cls.build(each) for each in results.select_caused("blocking call"))

    @classmethod
    def build(cls, slower: tuple[Slower, ...]) -> Statement:
        worst = sort_by_harm(slower)[0]
        case, scenario = worst.case, worst.case.scenario
        sites = [one for each in case.usable_trials for one in each.blocking_sites[:1]]
        rare = None if scenario.endpoint.blocks_the_loop else scenario.rare
        return cls(
            served=tuple(each.case.served for each in slower),
            reference=worst.reference.served,
            one_in=rare.one_in if rare else 1,
            place=str(sites[0]) if sites else "",
            harm=find_harm(case),
        )

    @property
    def message(self) -> str:
        rare = "" if self.one_in == 1 else f" for one request in {self.one_in}"
        found = (
            f"A blocking call in async def{rare} leaves {list_served(self.served)}, where "
            f"{self.reference.name} serves {self.reference}"
        )
        harm = describe_harm(self.harm)
        return f"{found}; {harm}." if harm else f"{found}."

    @property
    def rule(self) -> str | None:
        return "one-blocks-all" if self.one_in == 1 else "one-in-a-hundred"

    @property
    def change(self) -> str:
        line = f" ({self.place})" if self.place else ""
        return f"await what blocks{line}, or hand it to a thread with run_sync"


class ClientForEachRequest(Statement):
    """Making a client for each request is what the server does most."""

    rank = 30

    pairs: tuple[tuple[Served, Served], ...]
    """With a client for each request, and with one for all; what costs most first."""
    cpu_ms: float | None
    """Of a request of the first; and with one client for all."""
    shared_cpu_ms: float | None
    harm: tuple[str, ...]
    """As clauses, where most answers of the first fail: its CPU then is no reason."""

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
            f"Making a client for each request leaves {case} requests/s ({case.name}), where one "
            f"client for all serves {shared} ({shared.name})"
        )
        if self.harm:
            found += f": {join_words(self.harm)}"
        elif self.cpu_ms and self.shared_cpu_ms and self.cpu_ms > self.shared_cpu_ms:
            cpu, less = map(formats.milliseconds, (self.cpu_ms, self.shared_cpu_ms))
            found += f": a request takes {cpu} ms of CPU instead of {less}"
        if not others:
            return f"{found}."
        if len(others) > MOST_LISTED:
            mildest = describe_pair(*others[-1])
            return f"{found}; so it is in {len(others)} other pairs, the mildest {mildest}."
        return f"{found}; also {join_words([describe_pair(*each) for each in others])}."

    @property
    def rule(self) -> str | None:
        return "client-life"

    @property
    def change(self) -> str:
        return ONE_CLIENT


def describe_pair(case: Served, reference: Served) -> str:
    return f"{case} instead of {reference} ({case.name})"


def list_failures(case: MeasuredScenario) -> list[str]:
    """Why it serves so little where most of its answers fail; nothing where they don't."""
    ratio, limit = case.get_median("failure_ratio") or 0.0, case.limit
    if ratio <= MOST_OF_THE_TIME:
        return []
    found = [f"{formats.percent(ratio)} of its answers are failures"]
    if limit is not None and limit.resource == "worker restarts":
        found.append(explain_limit(limit).clause)
    return found
