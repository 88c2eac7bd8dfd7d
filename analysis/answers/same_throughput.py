"""Scenarios with the same throughput: what makes no difference."""

from collections.abc import Sequence

from analysis.answers.base import Statement
from analysis.answers.explanation import explain_limit, get_possible_rps
from analysis.answers.factors import describe_common, join_words, list_rates, name_cases
from analysis.answers.measured_scenario import MeasuredScenario, Served
from analysis.answers.results import Results
from analysis.stats import formats

OF_LOAD = ("users", "arrivals")
"""Limits of the load, not of the service."""


class SameThroughput(Statement):
    """Scenarios that are as fast as the best of their family."""

    rank = 10

    names: tuple[str, ...]
    served: tuple[Served, ...]
    peers: tuple[str, ...]
    """Compiled servers that are as fast."""
    peers_served: tuple[Served, ...]
    common: str
    """What all except the compiled servers share; may be empty."""
    ceiling_rps: float | None
    """The rate that the load offers; None where only the servers limit it."""
    limit: str
    """The resource that was full in each of them; empty where it is unknown or differs, and where
    they serve all that the load offers."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        groups = (each.fastest for each in results.families)
        return tuple(cls.build(each) for each in groups if len(each) > 1)

    @classmethod
    def build(cls, cases: Sequence[MeasuredScenario]) -> Statement:
        peers = [each for each in cases if each.scenario.server.is_compiled]
        others = [each for each in cases if each not in peers]
        if len(others) < 2:
            peers, others = [], list(cases)
        limits = {explain_limit(each.limit).clause if each.limit else "" for each in cases}
        of_load = any(each.limit and each.limit.resource in OF_LOAD for each in cases)
        return cls(
            names=name_cases(others),
            served=tuple(each.served for each in others),
            peers=name_cases(peers),
            peers_served=tuple(each.served for each in peers),
            common=describe_common(others),
            ceiling_rps=get_possible_rps(cases[0]),
            limit=limits.pop() if len(limits) == 1 and not of_load else "",
        )

    @property
    def message(self) -> str:
        start = f"With {self.common}, " if self.common else ""
        most = self.ceiling_rps
        possible = "" if most is None else f" of a possible {formats.short_number(most)}"
        why = f", since {self.limit}" if self.limit else ""
        return (
            f"{start}{join_words(self.names)} have the same throughput: "
            f"{list_rates(self.served)}{possible} requests/s{why}{self.describe_peers()}."
        )

    def describe_peers(self) -> str:
        if not self.peers:
            return ""
        verb = "is" if len(self.peers) == 1 else "are"
        return f"; {join_words(self.peers)} {verb} as fast ({list_rates(self.peers_served)})"

    @property
    def rule(self) -> str | None:
        """The rule about the style, where the style makes no difference."""
        return "small-pool" if {"def", "async def"} <= {*self.names} else None
