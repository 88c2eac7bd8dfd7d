"""Workers that the server's manager killed because their event loop was blocked."""

from analysis.answers.base import Statement
from analysis.answers.factors import join_words
from analysis.answers.measured_scenario import MeasuredScenario
from analysis.answers.results import Results
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.predicates import are_kills, list_death_causes

NOTICED_SHARE = 0.5
"""Share of the timeout: after a shorter block, a heartbeat always comes in time."""


class WorkersKilled(Statement):
    rank = 58

    names: tuple[str, ...]
    kills: tuple[int, ...]
    timeout_s: float
    lag_ms: float
    """The longest time for which one of their event loops sent no heartbeat."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        found = [(each, killed) for each in results.cases if (killed := select_killed(each))]
        if not found:
            return ()
        return (
            cls(
                names=tuple(each.name for each, _ in found),
                kills=tuple(max(one.worker_restarts for one in killed) for _, killed in found),
                timeout_s=min(each.scenario.server.worker_timeout_s for each, _ in found),
                lag_ms=max(one.loop_lag_max_ms or 0.0 for _, killed in found for one in killed),
            ),
        )

    @property
    def message(self) -> str:
        counted = [
            f"{formats.count_things(kills, 'time')} ({name})"
            for name, kills in zip(self.names, self.kills, strict=True)
        ]
        return (
            f"gunicorn killed the worker {join_words(counted)}: its event loop sent no "
            f"heartbeat for up to {formats.duration(self.lag_ms)}, and --worker-timeout is "
            f"{self.timeout_s:g} s."
        )

    @property
    def rule(self) -> str | None:
        return "gunicorn-timeout"


def select_killed(case: MeasuredScenario) -> list[CellSummary]:
    """Select trials in which the server killed workers after a long enough block."""
    server = case.scenario.server
    if not server.kills_blocked_workers or not server.worker_timeout_s:
        return []
    least_ms = 1000 * NOTICED_SHARE * server.worker_timeout_s
    return [
        each
        for each in case.trials
        if are_kills(list_death_causes(each)) and (each.loop_lag_max_ms or 0.0) >= least_ms
    ]
