"""The rate that a service sustains, and its limit."""

from analysis.answers.base import Statement
from analysis.answers.explanation import Explanation, explain
from analysis.answers.measured_scenario import (
    DESCRIBING,
    LOWERING,
    MeasuredScenario,
    list_errors,
)
from analysis.answers.results import Results
from analysis.stats import formats
from analysis.summary.predicates import has_many_failures, has_starved_users, is_overloaded


class SustainedRate(Statement):
    """The highest rate that a search found to be sustained, and the lowest that was not."""

    rank = 10

    name: str
    sustained_rps: float | None
    overloaded_rps: float | None
    generator_limit: float | None
    why: Explanation | None
    """At the lowest rate that was not sustained."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        knee = results.knee
        if knee is None or (knee.sustained_rps is None and knee.overloaded_rps is None):
            return ()
        over = results.find_step(knee.overloaded_rps)
        return (
            cls(
                name=results.searched or "The service",
                sustained_rps=knee.sustained_rps,
                overloaded_rps=knee.overloaded_rps,
                generator_limit=knee.generator_limit,
                why=explain(over) if over and is_limited(over) else None,
            ),
        )

    @property
    def message(self) -> str:
        sustained = formats.short_number(self.sustained_rps)
        over = formats.short_number(self.overloaded_rps)
        if self.sustained_rps is None:
            found = f"{self.name} sustains less than {over} requests/s, the lowest rate tried"
        elif self.overloaded_rps is None:
            found = f"{self.name} sustains at least {sustained} requests/s"
        else:
            found = f"{self.name} sustains {sustained} requests/s but not {over}"
        return f"{found}: {self.why.clause}." if self.why else f"{found}."

    @property
    def rule(self) -> str | None:
        return self.why.rule if self.why else None

    @property
    def change(self) -> str:
        return self.why.change if self.why else ""


class UnknownCapacity(Statement):
    """A search in which the load generator could not offer even the lowest rate."""

    rank = 10

    name: str
    generator_limit: float

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        knee = results.knee
        if knee is None or knee.generator_limit is None:
            return ()
        if knee.sustained_rps is not None or knee.overloaded_rps is not None:
            return ()
        return (cls(name=results.searched or "the service", generator_limit=knee.generator_limit),)

    @property
    def message(self) -> str:
        return (
            f"What {self.name} sustains is unknown: the load generator could not send "
            f"{formats.short_number(self.generator_limit)} requests/s, the lowest rate tried."
        )

    @property
    def change(self) -> str:
        return "search from a lower --first-rate, or send from more --load-processes"


def is_limited(case: MeasuredScenario) -> bool:
    """Return True if a resource is known to be full: a service whose requests fail may keep up."""
    return case.is_usable and case.limit is not None and case.limit.resource != "arrivals"


class LatencyBelowCapacity(Statement):
    """Latency at shares of the sustained rate, without those that are not compared."""

    rank = 20

    shares: tuple[tuple[float, float, float], ...]
    """Share of the sustained rate, median and 99th percentile in ms."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        known = tuple(
            (share, cell.median_ms, cell.p99_ms)
            for share, cell in results.share_cells
            if cell.median_ms is not None
            and cell.p99_ms is not None
            and not is_overloaded(cell)
            and not has_starved_users(cell)
            and not has_many_failures(cell)
            and list_errors(cell) <= DESCRIBING | LOWERING
        )
        return (cls(shares=known),) if known else ()

    @property
    def message(self) -> str:
        ends = (self.shares[0], self.shares[-1])[: len(self.shares)]
        clauses = [
            f"at {100 * share:.0f} % of that rate, the median is {formats.duration(median_ms)} and "
            f"the 99th percentile {formats.duration(p99_ms)}"
            for share, median_ms, p99_ms in ends
        ]
        return f"A{'; '.join(clauses)[1:]}."
