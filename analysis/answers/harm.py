"""Who suffers beyond the load's own throughput."""

from typing import Protocol

from analysis.answers.factors import join_words
from analysis.stats import formats


class Harm(Protocol):
    """What background requests and the users of a scenario see. None is not known, or not worth
    a word. unanswered: users without any answer in the window."""

    @property
    def path(self) -> str: ...
    @property
    def wait_ms(self) -> float | None: ...
    @property
    def wait_is_bound(self) -> bool: ...
    @property
    def users(self) -> int: ...
    @property
    def unanswered(self) -> int | None: ...


def describe_harm(harm: Harm) -> str:
    """As a clause; empty where nobody suffers."""
    found = []
    if harm.wait_ms is not None:
        least = "at least " if harm.wait_is_bound else ""
        wait = formats.duration(harm.wait_ms)
        found.append(f"background requests to {harm.path} wait {least}{wait}")
    if harm.unanswered:
        found.append(f"{harm.unanswered} of {harm.users} users get no answer at all")
    return join_words(found) if found else ""
