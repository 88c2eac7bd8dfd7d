"""Sentences about the limit of a cell: the measured one, and the model's."""

from collections.abc import Collection, Mapping

from analysis.answers.explanation import describe_site
from analysis.stats import formats
from analysis.summary.limit import MeasuredLimit, Resource
from analysis.summary.model import CellSummary
from analysis.summary.predicates import (
    find_resource_code,
    is_overloaded,
    is_overloaded_by_failures,
)
from analysis.verdicts.limits import ONE_INTERPRETER, OTHERS
from records.prediction import Prediction

TEXTS: Mapping[Resource, str] = {
    "users": "{none} the number of users limits the throughput.",
    "arrivals": "{none} the server keeps up with the arrivals.",
    "interpreter": "The Python interpreter was saturated: it used {used} cores; {most}.",
    "worker restarts": "{deaths} aborted the requests in flight on the worker.",
    "event loop": "The event loop was saturated: blocked or computing for {percent} of the time",
    "pool threads": "The threads of {whose} were saturated: {used} of {capacity} in use.",
    "client connections": "Connections of {whose} were saturated: {used} of {capacity} in use.",
    "database connections": "Connections to {whose} were saturated: {used} of {capacity} in use.",
    "load generator": "The load generator was saturated: one process used {percent} of one core.",
    "cores": "The cores of the {whose} were saturated: {used} of {capacity} in use.",
    "upstream": "The upstream was slow: it waited {late} longer than requested.",
    "unexplained": "No measured resource was saturated",
}
MODEL_LIMITS = {
    "pool": "the thread pool",
    "interpreter": "the Python interpreter",
    "connections": "the client's connections",
    "blocked loop": "the blocked event loop, which serves one request at a time",
    "worker kills": "worker kills",
    "client timeout": "the client timeout",
    "users": "only the number of users",
    "arrivals": "none, because the server keeps up with the arrivals",
}
"""Keyed by the names of analysis.theory."""


def explain_missing_latency(cell: CellSummary) -> str:
    """Return why the cell has no meaningful latency; empty if it has one."""
    if not cell.requests:
        return "no response in the window"
    if is_overloaded_by_failures(cell):
        return "requests fail, and the time until they fail is not a latency"
    return "the queue grows as long as the load lasts" if is_overloaded(cell) else ""


def describe_measured_limit(limit: MeasuredLimit, codes: Collection[str] = ()) -> str:
    """codes: of the cell's verdicts, which the sentence must not contradict."""
    full = find_resource_code(codes)
    may = f"A resource may have been saturated ({full})"
    text = TEXTS[limit.resource].format(
        none=f"{may}, but" if full else "No resource was saturated:",
        used=format_used(limit),
        most=ONE_INTERPRETER,
        deaths=formats.count_things(round(limit.used or 0.0), "worker death"),
        capacity=formats.whole(limit.capacity),
        percent=formats.percent(limit.share),
        late=formats.percent(limit.share - 1),
        whose="machine" if limit.whose == OTHERS else limit.whose,
    )
    if limit.resource == "event loop":
        return f"{text}{describe_site(limit)}."
    if limit.resource == "interpreter" and limit.capacity != 1:
        workers = formats.count_things(round(limit.capacity or 0.0), "worker")
        return f"The Python interpreters were saturated: {workers} used {format_used(limit)} cores."
    if limit.whose == "server":
        workers = formats.count_things(round(limit.capacity or 0.0), "worker")
        return f"The server was saturated: {format_used(limit)} cores in use by {workers}."
    if limit.whose == OTHERS:
        return f"{text[:-1]}, mostly by {OTHERS}."
    if limit.resource != "unexplained":
        return text
    text = may if full else text
    if (most := limit.closest) is None:
        return f"{text}."
    return f"{text}; the {most.resource} came closest, at {formats.percent(most.share)}."


def format_used(limit: MeasuredLimit) -> str:
    if limit.resource in ("interpreter", "cores"):
        return f"{limit.used:.2f}"
    return formats.decimal(limit.used)


def describe_model_limit(predicted: Prediction | None) -> str:
    """Return an empty text if there is no prediction."""
    limit = predicted.limited_by if predicted is not None else None
    why = MODEL_LIMITS.get(limit or "")
    return f"Predicted limit: {why}." if why else ""
