"""How much longer requests wait because the event loop serves them in rounds.

A request takes several steps on the loop, such as connecting, sending and reading. The loop takes
one step of each request that is ready, then the next of each: requests that came together leave
together, and come together again. The formulas and the simulation serve one request after the
other, where each waits only for those before it.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from analysis.theory.formulas import compute_curve
from analysis.theory.model import ServerModel
from records.prediction import CpuSample
from scenarios.model import Load
from scenarios.units import Second


def add_rounds(model: ServerModel, samples: Sequence[CpuSample], load: Load) -> ServerModel:
    """Add the wait for rounds, from how long the calibration's requests took at two levels.

    What they took beyond the model is partly the same at each level (the callers, the network);
    the rest grows with the requests in flight. It is at most the CPU of all of them.

    In a run, requests may come more evenly than in a calibration: the wait is between nothing and
    `rounds_s`. Threads do not wait for rounds.
    """
    levels = sorted({(each.in_flight, each.delay_s) for each in samples if each.delay_s})
    if model.style != "async def" or model.works_elsewhere or len(levels) < 2:
        return model
    (few, few_delay_s), (many, many_delay_s) = levels[0], levels[-1]
    more_s = measure_excess_s(model, many, many_delay_s, samples)
    more_s -= measure_excess_s(model, few, few_delay_s, samples)
    cpu_s = model.settle_cpu(many).loop_cpu_s
    each_s = min(cpu_s, max(0.0, more_s / (many - few)))
    rounds_s = each_s * estimate_in_flight(model, load)
    return replace(model, delay_s=model.delay_s + rounds_s / 2, rounds_s=rounds_s)


def measure_excess_s(
    model: ServerModel, in_flight: int, delay_s: Second, samples: Sequence[CpuSample]
) -> Second:
    """Return what a request of that level took beyond the formula."""
    took_s = median(
        in_flight * each.lasting_s / each.requests
        for each in samples
        if each.in_flight == in_flight
    )
    level = replace(model, workers=1, delay_s=delay_s)
    return took_s - compute_curve(level, [in_flight]).points[0].mean_s


def estimate_in_flight(model: ServerModel, load: Load) -> float:
    """Estimate the requests that wait for the upstream, at each worker, if none queues."""
    rate = load.arrival_rate
    if not model.delay_s:
        return 0.0  # nothing waits; the calibration may be that of a scenario with a delay
    if rate is None:
        rate = load.users / (load.think_s + model.delay_s)
    return rate * model.delay_s / model.workers
