"""Expressions that Python and JavaScript evaluate alike: a formula is written once, computed here
and copied unchanged into a page's script."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Annotated

import jinja2
from jinja2.environment import TemplateExpression
from pydantic import AfterValidator

from analysis.theory.cores import compute_crowding, find_crowding
from analysis.theory.formulas import compute_erlang_b, estimate_mgc_wait_s
from scenarios.units import Second

Figures = Mapping[str, float]
SHARED_SYNTAX = re.compile(r"(?:[a-z_0-9.,() ]|(?<!\*)[*](?!\*)|(?<!/)/(?!/)|[-+]|[<>]=?)+")
WORDS = frozenset({"and", "or", "not", "if", "else", "in", "is", "true", "false", "none"})
"""Jinja's words, which SHARED_SYNTAX would allow and JavaScript reads differently."""


def compute_wait_s(rate: float, service_s: Second, variation: float, servers: float) -> Second:
    """Compute the mean wait; infinite if there is no steady state, within a float's precision."""
    with suppress(ZeroDivisionError):
        found = estimate_mgc_wait_s(rate, service_s, variation, int(servers))
        return math.inf if found is None else found
    return math.inf


def crowd(workers: float, cores: float, busy_cores: float) -> float:
    return max(1.0, compute_crowding(workers, cores, busy_cores))


def crowd_full(
    workers: float, cores: float, places: float, delay_s: Second, cpu_s: Second
) -> float:
    """Find the crowding of workers that always serve as many requests at once as each has places,
    or compute all the time."""

    def count_busy(crowding: float) -> float:
        return workers * cpu_s * min(1 / (crowding * cpu_s), places / (delay_s + crowding * cpu_s))

    return max(1.0, find_crowding(int(workers), int(cores), count_busy))


FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "erlang_b": lambda load, servers: compute_erlang_b(load, int(servers)),
    "queue_wait_s": compute_wait_s,
    "crowd": crowd,
    "crowd_full": crowd_full,
}
"""Functions that expressions may call; templates/advice.js defines the last four."""


def check_expression(text: str) -> str:
    """Return the text unchanged. Raises ValueError."""
    if not SHARED_SYNTAX.fullmatch(text) or WORDS & set(re.findall(r"\w+", text)):
        raise ValueError(f"{text!r} is not an expression that Python and JavaScript read alike")
    compile_expression(text)
    return text


@cache
def compile_expression(text: str) -> TemplateExpression:
    """Raises ValueError."""
    try:
        return jinja2.Environment().compile_expression(text, undefined_to_none=False)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"{text!r}: {error}") from error


Expression = Annotated[str, AfterValidator(check_expression)]


def evaluate(expression: Expression, figures: Figures) -> float:
    found = compile_expression(expression)(figures, **FUNCTIONS)
    assert isinstance(found, int | float)
    return found


def meet_all(conditions: Sequence[Expression], figures: Figures) -> bool:
    return all(evaluate(each, figures) for each in conditions)
