"""Compare an exercise's measurement with theory and explain the differences."""

from collections.abc import Iterator

from analysis.guide.exercises import Exercise
from analysis.metrics import Metric, get_metric, get_value
from analysis.stats import formats
from analysis.summary.model import CellSummary

AGREES_SHARE = 0.1
"""A window of 5 s starts and ends in the middle of a round of requests, which takes up to 0.5 s."""
GROWN_CPU = 1.25
"""On shared cores the CPU per request of the same code differs by up to a quarter between runs:
less growth explains nothing."""
BUSY = "MACHINE_BUSY"
AGREEMENT = "Theory and measurement agree in every figure."
UNKNOWN_CAUSE = (
    "Theory does not explain this. Close other programs and run the exercise again. If the "
    "difference remains, report.html shows where the time goes."
)


def explain_differences(which: Exercise, edited: bool, cell: CellSummary) -> list[str]:
    """Write a paragraph per figure that theory lacks or predicts differently, and one per cause
    that the run detected."""
    figures = {each: get_metric(each) for each in which.shown}
    reasons = which.apart.get("after" if edited else "before", {})
    apart = [
        each
        for each, metric in figures.items()
        if metric.predicted and not is_as_predicted(metric, cell)
    ]
    here = [f"In this run {each}." for each in list_causes(cell)] if apart else []
    found = []
    for each in apart:
        difference = describe_difference(which.shown[each], figures[each], cell)
        reason = reasons.get(each) or ("" if here else UNKNOWN_CAUSE)
        found.append(f"{difference} {reason}".strip())
    return found + here


def is_as_predicted(metric: Metric, cell: CellSummary) -> bool:
    """Return True if the figure is in the predicted range, or within AGREES_SHARE of theory."""
    measured, theory = get_value(cell, metric.key), get_value(cell, metric.predicted)
    if measured is None or theory is None:
        return False
    known, is_rate = cell.predicted, metric.key == "ok_rps"
    is_in_range = (
        is_rate
        and known is not None
        and known.low is not None
        and known.high is not None
        and known.low <= measured <= known.high
    )
    return is_in_range or abs(measured - theory) <= AGREES_SHARE * theory


def describe_difference(words: str, metric: Metric, cell: CellSummary) -> str:
    measured, theory = get_value(cell, metric.key), get_value(cell, metric.predicted)
    said = "theory has no figure" if theory is None else f"theory {formats.short_number(theory)}"
    return f"{words}: measured {formats.short_number(measured)}, {said}."


def list_causes(cell: CellSummary) -> Iterator[str]:
    """Yield the causes that the run itself detected."""
    cpu_ms, known = cell.cpu_ms_per_request, cell.predicted
    if known is not None and known.cpu_ms and cpu_ms is not None:
        calibrated_ms = max(known.cpu_ms, known.cpu_loaded_ms or 0.0)
        if cpu_ms > GROWN_CPU * calibrated_ms:
            load, alone = formats.milliseconds(cpu_ms), formats.milliseconds(calibrated_ms)
            yield f"a request takes {load} ms of CPU under load, and theory assumes {alone} ms"
    yield from (each.message for each in cell.verdicts if each.code == BUSY)
