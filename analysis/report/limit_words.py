"""What limited a cell, in a sentence: the measurement's, and the model's."""

from collections.abc import Mapping

from analysis.stats import formats
from analysis.summary.limit import MeasuredLimit, Resource
from analysis.verdicts.limits import OTHERS
from records.prediction import Prediction

TEXTS: Mapping[Resource, str] = {
    "users": "No resource was full: the number of users limits the throughput.",
    "arrivals": "No resource was full: the server keeps up with the requests that arrive.",
    "interpreter": "The Python interpreter was full: {used} of {cores} in use.",
    "worker restarts": "{restarts} broke off the requests of that worker.",
    "event loop": "The event loop was full: it was blocked or computing for {percent} of the time",
    "pool threads": "The threads of {whose} were full: {used} of {capacity} in use.",
    "client connections": "The connections of {whose} were full: {used} of {capacity} in use.",
    "database connections": "The connections to {whose} were full: {used} of {capacity} in use.",
    "load generator": "The load generator was full: one process used {percent} of its core.",
    "cores": "The cores of the {whose} were full: {used} of {capacity} in use.",
    "upstream": "The upstream was slow: it waited {late} longer than it was asked to.",
    "unexplained": "No measured resource was full",
}
MODEL_LIMITS = {
    "pool": "the threads of the pool",
    "interpreter": "the Python interpreter",
    "connections": "the connections of the client",
    "blocked loop": "the blocked event loop, which serves one request at a time",
    "worker kills": "the restarts of its worker",
    "client timeout": "clients that give up",
    "users": "nothing but the number of users",
    "arrivals": "nothing, since the server keeps up with the requests that arrive",
}
"""By the names that analysis.theory has for them."""


def describe_measured_limit(limit: MeasuredLimit) -> str:
    text = TEXTS[limit.resource].format(
        used=format_used(limit),
        cores=formats.count_things(round(limit.capacity or 0.0), "core"),
        restarts=formats.count_things(round(limit.used or 0.0), "worker restart"),
        capacity=formats.whole(limit.capacity),
        percent=formats.percent(limit.share),
        late=formats.percent(limit.share - 1),
        whose="machine" if limit.whose == OTHERS else limit.whose,
    )
    if limit.resource == "event loop":
        return f"{text}, mostly at {limit.whose}." if limit.whose else f"{text}."
    if limit.whose == "server":
        workers = formats.count_things(round(limit.capacity or 0.0), "worker")
        return f"The server was full: {format_used(limit)} cores in use by {workers}."
    if limit.whose == OTHERS:
        return f"{text[:-1]}, mostly by {OTHERS}."
    if limit.resource != "unexplained":
        return text
    if (most := limit.closest) is None:
        return f"{text}."
    verb = "were" if most.resource.endswith("s") else "was"
    return f"{text}; the {most.resource} {verb} used most, by {formats.percent(most.share)}."


def format_used(limit: MeasuredLimit) -> str:
    if limit.resource in ("interpreter", "cores"):
        return f"{limit.used:.2f}"
    return formats.decimal(limit.used)


def describe_model_limit(predicted: Prediction | None) -> str:
    """Nothing where no model has said it."""
    limit = predicted.limited_by if predicted is not None else None
    why = MODEL_LIMITS.get(limit or "")
    return f"The limit of the model: {why}." if why else ""
