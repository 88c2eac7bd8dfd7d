"""Scenarios that serve the same: what makes no difference."""

from collections.abc import Sequence

from analysis.answers.base import Statement
from analysis.answers.factors import describe_common, join_words, list_rates, name_cases
from analysis.answers.results import Case, Results
from analysis.stats import formats


class SameThroughput(Statement):
    """Scenarios that serve as much as the best of their family."""

    rank = 10

    names: tuple[str, ...]
    rates: tuple[float, ...]
    peers: tuple[str, ...]
    """Compiled servers that serve as much as they do."""
    peer_rates: tuple[float, ...]
    common: str
    """What all but the compiled ones have in common; may be empty."""
    ceiling_rps: float | None
    """What their users ask for, where all of them reach it."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        groups = (each.fastest for each in results.families)
        return tuple(cls.build(each) for each in groups if len(each) > 1)

    @classmethod
    def build(cls, cases: Sequence[Case]) -> Statement:
        peers = [each for each in cases if each.scenario.server.is_compiled]
        others = [each for each in cases if each not in peers]
        if len(others) < 2:
            peers, others = [], list(cases)
        reach = all(each.reaches_ceiling for each in cases)
        return cls(
            names=name_cases(others),
            rates=tuple(each.rate for each in others),
            peers=name_cases(peers),
            peer_rates=tuple(each.rate for each in peers),
            common=describe_common(others),
            ceiling_rps=cases[0].ceiling_rps if reach else None,
        )

    @property
    def message(self) -> str:
        start = f"With {self.common}, " if self.common else ""
        possible = "" if self.ceiling_rps is None else f" of {self.ceiling} possible"
        return (
            f"{start}{join_words(self.names)} serve the same: {list_rates(self.rates)}{possible} "
            f"requests/s{self.describe_peers()}."
        )

    @property
    def ceiling(self) -> str:
        return formats.short_number(self.ceiling_rps)

    def describe_peers(self) -> str:
        if not self.peers:
            return ""
        verb = "does" if len(self.peers) == 1 else "do"
        return f"; so {verb} {join_words(self.peers)} ({list_rates(self.peer_rates)})"

    @property
    def rule(self) -> str | None:
        """Of the choice of the style, where it makes no difference."""
        return "small-pool" if {"def", "async def"} <= {*self.names} else None
