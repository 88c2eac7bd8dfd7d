"""What is to be said of a cell below its row, and of what was expected of it."""

from analysis.measures.throughput import RampGrowth
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.predicates import (
    has_affected_bystander,
    has_blocked_loop,
    has_grown_cpu,
    has_starved_users,
)
from analysis.summary.thresholds import ThresholdOutcome
from scenarios.units import format_plain_number


def write_notes(cell: CellSummary) -> list[str]:
    """Verdicts, what each cycle of a killed worker brought, who held the loop."""
    found = [f"{verdict.code}: {verdict.message}" for verdict in cell.verdicts]
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
    if has_blocked_loop(cell):
        lag = formats.milliseconds(cell.loop_lag_max_ms)
        found.append(f"the loop was held by {cell.blocking_sites[0]} (silent for up to {lag} ms)")
    if has_affected_bystander(cell):
        bystander = cell.bystander
        waited = formats.milliseconds(bystander.median_ms)
        if bystander.median_is_lower_bound:
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
    if cell.predicted is None or not has_grown_cpu(cell):
        return None
    return (
        f"under load a request took {formats.milliseconds(cell.cpu_ms_per_request)} ms of CPU, "
        f"alone {formats.milliseconds(cell.predicted.cpu_ms)}: theory knew only the latter"
    )


def describe_outcome(outcome: ThresholdOutcome) -> str:
    sign = "✓" if outcome.met else "✗"
    expected, several = outcome.expectation, outcome.trials > 1
    if outcome.value is None:
        where = f" (trial {outcome.trial})" if several and outcome.trial else ""
        return f"{sign} {outcome.scenario}: {expected}: {outcome.why}{where}"
    value = formats.near_bound(outcome.value, expected.bound)
    line = f"{sign} {outcome.scenario}: {expected.figure} {value} "
    line += f"{expected.operator} {format_plain_number(expected.bound)}"
    if several:
        line += f" (worst of {outcome.trials} trials: #{outcome.trial})"
    return line
