"""Why a prediction has no figure, or one that is no property of the service."""

from records.prediction import Prediction

OVERLOADED = (
    "more is offered than is served: the latencies are the length of the test, and no property of "
    "the service"
)


def explain_missing(found: Prediction, is_open: bool, works_elsewhere: bool) -> str | None:
    if found.mean_ms is None and is_open and found.limited_by != "arrivals":
        return OVERLOADED
    if found.mean_ms is None or found.median_ms is None:
        return "no latencies: the simulation ended before a request of its window was answered"
    if found.bystander_ms is not None:
        return None
    if works_elsewhere:
        return "no bystander: the model knows the processes that work, not the event loop"
    return "no bystander: at a full interpreter the model does not know whose turn is next"
