"""What is said of a cell: its answer in a sentence or two, the notes below its row, and what was
expected of it."""

from collections.abc import Iterator

from analysis.measures.throughput import RampGrowth
from analysis.report.cpu_notes import write_growth_note
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.predicates import (
    has_affected_bystander,
    has_blocked_loop,
    has_own_bystander,
    has_starved_users,
    is_overloaded,
)
from analysis.summary.thresholds import ThresholdOutcome
from scenarios.model import Scenario
from scenarios.units import format_plain_number

LIMITS = {
    "pool": "all threads of the pool are taken, the others queue for one",
    "interpreter": "the interpreter is busy all the time",
    "connections": "the client's connections are all taken",
    "blocked loop": "the loop serves one request at a time",
    "worker kills": "the worker is killed again and again",
    "client timeout": "clients give up",
    "users": "nothing limits it but the number of users",
    "arrivals": "it keeps up with what arrives",
}
"""By the names that analysis.theory has for them."""
NOTED_FAILURES = 0.001
EXTRAPOLATED = (
    "extrapolated: CPU may limit the throughput, and was calibrated with fewer requests in flight"
)


def write_headline(cell: CellSummary, scenario: Scenario) -> str:
    cut = cell.interrupted
    if not cell.requests:
        return f"Cut short: {cut}." if cut else "Nobody was answered in the window."
    found = f"{describe_throughput(cell)}; {describe_latency(cell)}."
    sentences = (
        f"Cut short ({cut}): {found}" if cut else found,
        describe_threads(cell, scenario),
        describe_limit(cell),
        describe_bystander(cell),
    )
    return " ".join(filter(None, sentences))


def describe_throughput(cell: CellSummary) -> str:
    if (loop := cell.open_loop) is not None:
        rate = (
            f"{formats.rate(loop.sustained_rps)} of {formats.rate(loop.offered_rps)} offered "
            "requests a second got a good answer"
        )
    else:
        users = formats.whole(cell.users)
        rate = f"{formats.rate(cell.ok_rps)} good answers a second for {users} users"
    if (cell.failure_ratio or 0.0) > NOTED_FAILURES:
        return f"{rate}, {formats.percent(cell.failure_ratio)} of all answers were failures"
    return rate


def describe_latency(cell: CellSummary) -> str:
    if is_overloaded(cell):
        return "how long they took only says how long the test was"
    if has_starved_users(cell) and cell.users_longest_wait_median_ms is not None:
        longest = formats.duration(cell.users_longest_wait_median_ms)
        return f"half of the users waited {longest} or more for one of theirs"
    if has_starved_users(cell):
        return "many were never answered, and what the others waited tells little"
    median, p99 = formats.duration(cell.median_ms), formats.duration(cell.p99_ms)
    return f"half of the answers took {median} or less, 99 % {p99}"


def describe_threads(cell: CellSummary, scenario: Scenario) -> str:
    style = scenario.endpoint.style
    if cell.threads_spawned is None or cell.threads_active_mean is None:
        return f"The endpoint is {style}."
    lived = "one thread" if cell.threads_spawned == 1 else f"{cell.threads_spawned:,} threads"
    active = formats.decimal(cell.threads_active_mean)
    return f"The endpoint is {style}: {lived}, {active} of them inside it on average."


def describe_bystander(cell: CellSummary) -> str:
    """Where it is the question what becomes of somebody else."""
    other = cell.bystander
    if not has_own_bystander(cell) or other.median_ms is None:
        return ""
    least = "at least " if other.median_is_lower_bound else ""
    return f"Somebody else's {other.path} took {least}{formats.duration(other.median_ms)} (median)."


def describe_limit(cell: CellSummary) -> str:
    limit = cell.predicted.limited_by if cell.predicted is not None else None
    why = LIMITS.get(limit or "")
    return f"What limits it, by theory: {why}." if why else ""


def write_notes(cell: CellSummary) -> list[str]:
    """Verdicts, what each cycle of a killed worker brought, who held the loop."""
    found = [f"{verdict.code}: {verdict.message}" for verdict in cell.verdicts]
    if cell.cycles:
        ok = ", ".join(str(cycle.ok) for cycle in cell.cycles)
        failed = ", ".join(str(cycle.failures) for cycle in cell.cycles)
        lengths = ", ".join(f"{cycle.end_s - cycle.start_s:.1f}" for cycle in cell.cycles)
        found.append(f"per cycle of {lengths} s: {ok} good answers, {failed} failures")
    found += write_latency_notes(cell)
    if has_blocked_loop(cell):
        lag = formats.milliseconds(cell.loop_lag_max_ms)
        found.append(f"the loop was held by {cell.blocking_sites[0]} (silent for up to {lag} ms)")
    if has_affected_bystander(cell):
        found.append(write_bystander_note(cell))
    if growth := write_growth_note(cell):
        found.append(growth)
    if cell.predicted is not None and cell.predicted.extrapolated:
        found.append(f"the prediction is {EXTRAPOLATED}")
    if cell.predicted is not None and cell.predicted.reason is not None:
        found.append(f"prediction: {cell.predicted.reason}")
    return found + [f"{each.count} × {each.error}" for each in cell.errors[:3]]


def write_latency_notes(cell: CellSummary) -> Iterator[str]:
    """What its latencies leave out, and what they depend on."""
    if has_starved_users(cell):
        median = formats.at_least(cell.median_censored_ms, cell.median_lower_bound_ms)
        yield f"* with the unanswered counted (Kaplan–Meier) the median is {median} ms"
        if cell.users_longest_wait_median_ms is not None:
            longest = formats.milliseconds(cell.users_longest_wait_median_ms)
            yield f"half of the users waited {longest} ms or more for an answer"
    if cell.warm_up_cut_s:
        cut = formats.decimal(cell.warm_up_cut_s)
        yield f"the window's first {cut} s were still warm-up (MSER-5) and are left out"
    if cell.growth is not None:
        yield write_ramp_note(cell.growth)
    if (loop := cell.open_loop) is not None and loop.overloaded:
        yield "percentiles in brackets are no property of the service: see OVERLOADED"
        if loop.formula_median_ms is not None:
            yield (
                "first come, first served: what is answered t after the begin waited "
                "t (1 - served / offered), a median of "
                f"{formats.milliseconds(loop.formula_median_ms)} ms by that formula, "
                f"{formats.milliseconds(cell.median_ms)} ms as measured"
            )


def write_bystander_note(cell: CellSummary) -> str:
    other = cell.bystander
    least = "at least " if other.median_is_lower_bound else ""
    note = (
        f"a bystander's {other.path} took {least}{formats.milliseconds(other.median_ms)} ms "
        f"(median), {other.failures} of {other.pings} got no answer"
    )
    if cell.predicted is None or cell.predicted.bystander_ms is None:
        return note
    return f"{note}; predicted: {formats.milliseconds(cell.predicted.bystander_ms)} ms"


def write_ramp_note(grown: RampGrowth) -> str:
    alone = f"one user alone got {formats.rate(grown.levels[0][1])} rps"
    if grown.saturated_from is None:
        return f"in the ramp {alone}, and more users always got more"
    return f"in the ramp {alone}; from {grown.saturated_from} users on it grew no more"


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
