"""Workers that the server's manager killed because their event loop was blocked."""

from analysis.answers.base import Statement
from analysis.answers.factors import join_words
from analysis.answers.measured_scenario import MeasuredScenario
from analysis.answers.results import Results
from analysis.stats import formats

NOTICED_SHARE = 0.5
"""Of the timeout: a shorter block cannot end in a kill, since a heartbeat comes in between."""


class WorkersKilled(Statement):
    rank = 58

    names: tuple[str, ...]
    kills: tuple[int, ...]
    timeout_s: float
    lag_ms: float
    """The longest time for which the event loop of one of them was blocked."""

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        killed = [each for each in results.cases if was_killed(each)]
        if not killed:
            return ()
        return (
            cls(
                names=tuple(each.name for each in killed),
                kills=tuple(max(one.worker_restarts for one in each.trials) for each in killed),
                timeout_s=min(each.scenario.server.worker_timeout_s for each in killed),
                lag_ms=max(find_longest_lag_ms(each) for each in killed),
            ),
        )

    @property
    def message(self) -> str:
        times = join_words([str(each) for each in self.kills])
        unit = "time" if self.kills == (1,) else "times"
        return (
            f"gunicorn killed the worker {times} {unit} ({join_words(self.names)}): the event loop "
            f"was blocked for up to {formats.duration(self.lag_ms)}, and --worker-timeout is "
            f"{self.timeout_s:g} s."
        )

    @property
    def rule(self) -> str | None:
        return "gunicorn-timeout"


def was_killed(case: MeasuredScenario) -> bool:
    """Whether in some trial a worker ended whose event loop had been blocked for long enough."""
    server = case.scenario.server
    if not server.kills_blocked_workers or not server.worker_timeout_s:
        return False
    least_ms = 1000 * NOTICED_SHARE * server.worker_timeout_s
    return any(
        each.worker_restarts and (each.loop_lag_max_ms or 0.0) >= least_ms for each in case.trials
    )


def find_longest_lag_ms(case: MeasuredScenario) -> float:
    return max(each.loop_lag_max_ms or 0.0 for each in case.trials)
