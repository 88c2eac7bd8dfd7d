"""Why a prediction lacks a figure, or has one that does not describe the service."""

from records.prediction import Prediction

OVERLOADED = (
    "more is offered than is served: latencies grow with the length of the test and do not "
    "describe the service"
)


def explain_missing(found: Prediction, is_open: bool, works_elsewhere: bool) -> str | None:
    if found.mean_ms is None and is_open and found.limited_by != "arrivals":
        return OVERLOADED
    if found.mean_ms is None or found.median_ms is None:
        return "no latencies: the simulation ended before its window had a response"
    if found.bystander_ms is not None:
        return None
    if works_elsewhere:
        return (
            "no latency of background requests: the model covers the worker processes, not the loop"
        )
    return (
        "no latency of background requests: with a saturated interpreter, the model does not know "
        "which request runs next"
    )
