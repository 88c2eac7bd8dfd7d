"""What somebody who predicts may ask: a range of users, and a size for a load."""

import re
from dataclasses import dataclass

from analysis.theory.sweep import build_users_grid
from scenarios.errors import UserError
from scenarios.units import Second

MOST_USERS = 10_000_000


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """How big must it be for so many requests a second, 99 % of them answered in time?"""

    rate_per_s: float
    p99_s: Second


def parse_users(text: str) -> tuple[int, ...]:
    """`500`, or `100..100000` for about five steps from each power of ten to the next.

    Raises UserError.
    """
    match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", text.strip(), re.ASCII)
    if match is None:
        raise UserError(f"--users {text!r}: give a number, or a range such as 100..100000")
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high <= MOST_USERS:
        raise UserError(f"--users {text}: give 1 to {MOST_USERS}, the smaller number first")
    return build_users_grid(low, high)
