"""What is to be said of a cell below its row: verdicts, cycles, what held the loop."""

from analysis.measures.ramp import RampGrowth
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.validity import has_starved_users
from analysis.verdicts.advice import write_message
from scenarios.model import BackgroundRequest


def write_notes(cell: CellSummary) -> list[str]:
    """Verdicts, what each cycle of a killed worker brought, who held the loop."""
    found = [f"{verdict.code}: {write_message(verdict)}" for verdict in cell.verdicts]
    if cell.cycles:
        ok = ", ".join(str(cycle.ok) for cycle in cell.cycles)
        failed = ", ".join(str(cycle.failures) for cycle in cell.cycles)
        lengths = ", ".join(f"{cycle.end_s - cycle.start_s:.1f}" for cycle in cell.cycles)
        found.append(f"per cycle of {lengths} s: {ok} good answers, {failed} failures")
    if has_starved_users(cell):
        median = formats.at_least(cell.median_censored_ms, cell.median_lower_bound_ms)
        found.append(f"* with the unanswered counted (Kaplan–Meier) the median is {median} ms")
        if cell.users_longest_wait_median_ms is not None:
            longest = formats.milliseconds(cell.users_longest_wait_median_ms)
            found.append(f"half of the users waited {longest} ms or more for an answer")
    if cell.warm_up_cut_s:
        cut = formats.decimal(cell.warm_up_cut_s)
        found.append(f"the window's first {cut} s were still warm-up (MSER-5) and are left out")
    if (grown := cell.growth) is not None:
        found.append(write_ramp_note(grown))
    if (loop := cell.open_loop) is not None and loop.overloaded:
        found.append("percentiles in brackets are no property of the service: see OVERLOADED")
        if loop.formula_median_ms is not None:
            found.append(
                "first come, first served: what is answered t after the begin waited "
                "t (1 - served / offered), a median of "
                f"{formats.milliseconds(loop.formula_median_ms)} ms by that formula, "
                f"{formats.milliseconds(cell.median_ms)} ms as measured"
            )
    if cell.blocked_by and (cell.loop_blocked_share or 0) > BLOCKED_NOTED_SHARE:
        lag = formats.milliseconds(cell.loop_lag_max_ms)
        found.append(f"the loop was held by {cell.blocked_by} (silent for up to {lag} ms)")
    slow = (cell.bystander.median_ms or 0) > BYSTANDER_NOTED_MS
    if slow or cell.bystander.failures or cell.bystander.path != USUAL_BYSTANDER.path:
        bystander = cell.bystander
        waited = formats.milliseconds(bystander.median_ms)
        if 2 * bystander.unanswered >= bystander.pings:
            waited = f"at least {waited}"
        found.append(
            f"a bystander's {bystander.path} took {waited} ms (median), "
            f"{bystander.failures} of {bystander.pings} got no answer"
            f"{write_bystander_prediction(cell)}"
        )
    if dearer := write_cpu_note(cell):
        found.append(dearer)
    found += [f"{each.count} × {each.error}" for each in cell.errors[:3]]
    return found


def write_bystander_prediction(cell: CellSummary) -> str:
    if cell.predicted is None or cell.predicted.bystander_ms is None:
        return ""
    return f"; predicted: {formats.milliseconds(cell.predicted.bystander_ms)} ms"


def write_ramp_note(grown: RampGrowth) -> str:
    alone = f"one user alone got {formats.rate(grown.levels[0][1])} rps"
    if grown.saturated_from is None:
        return f"in the ramp {alone}, and more users always got more"
    return f"in the ramp {alone}; from {grown.saturated_from} users on it grew no more"


def write_cpu_note(cell: CellSummary) -> str | None:
    """Of a prediction that was missed: what theory could not know. It is told the CPU of one
    request alone; threads that fight for the interpreter, and a core that it has to share with
    the load, make a request dearer."""
    theory, cpu_ms = cell.predicted, cell.cpu_ms_per_request
    if theory is None or not theory.ok_rps or not theory.cpu_ms or cpu_ms is None:
        return None
    missed = abs((cell.ok_rps or 0.0) / theory.ok_rps - 1) > MISSED_SHARE
    if not missed or cpu_ms <= DEARER * theory.cpu_ms:
        return None
    return (
        f"under load a request took {formats.milliseconds(cpu_ms)} ms of CPU, alone "
        f"{formats.milliseconds(theory.cpu_ms)}: theory knew only the latter"
    )


MISSED_SHARE = 0.03
"""Of a prediction: as near as it is asked to come."""
DEARER = 1.1
BYSTANDER_NOTED_MS = 100.0
USUAL_BYSTANDER = BackgroundRequest()
BLOCKED_NOTED_SHARE = 0.1
"""Below it, what holds the loop now and then is garbage collection or the wait for the GIL."""
