"""Sentences about a cell: its answer, the notes below its row, and its expectations."""

from collections.abc import Iterator, Sequence

from analysis.answers.factors import join_words
from analysis.measures.throughput import RampGrowth
from analysis.report.cpu_notes import write_growth_note
from analysis.report.limit_words import describe_measured_limit, describe_model_limit
from analysis.stats import formats
from analysis.summary.limit import find_measured_limit
from analysis.summary.model import BystanderLatency, CellSummary, Cycle
from analysis.summary.predicates import (
    has_affected_bystander,
    has_blocked_loop,
    has_own_bystander,
    has_starved_users,
    is_overloaded,
    is_overloaded_by_failures,
)
from analysis.summary.thresholds import ThresholdOutcome
from scenarios.model import THREADS_OF, Scenario
from scenarios.units import format_plain_number

NOTED_FAILURES = 0.001
SHOWN_ERRORS = 3
MISSED_RATIO, SHORT_MS = 1.5, 5.0
"""A bystander latency this far from its prediction is worth a remark, unless either is short."""
EXTRAPOLATED = (
    "extrapolated: CPU may limit the throughput, but was calibrated with fewer requests in flight"
)


def write_headline(cell: CellSummary, scenario: Scenario) -> str:
    cut = cell.interrupted
    if not cell.requests:
        return f"Cut short: {cut}." if cut else "No request was answered in the window."
    found = f"{describe_throughput(cell)}; {describe_latency(cell)}."
    sentences = (
        f"Cut short ({cut}): {found}" if cut else found,
        describe_threads(cell, scenario),
        describe_measured_limit(
            find_measured_limit(cell, scenario), {each.code for each in cell.verdicts}
        ),
        describe_model_limit(cell.predicted),
        describe_bystander(cell),
    )
    return " ".join(filter(None, sentences))


def describe_throughput(cell: CellSummary) -> str:
    if (loop := cell.open_loop) is not None:
        rate = (
            f"{formats.rate(loop.sustained_rps)} of {formats.rate(loop.offered_rps)} offered "
            "requests per second succeeded"
        )
    else:
        users = formats.whole(cell.users)
        rate = f"{formats.rate(cell.ok_rps)} successful responses per second for {users} users"
    if (cell.failure_ratio or 0.0) > NOTED_FAILURES:
        return f"{rate} ({formats.percent(cell.failure_ratio)} of all requests failed)"
    return rate


def describe_latency(cell: CellSummary) -> str:
    if is_overloaded_by_failures(cell):
        return "the time until a request fails is not a latency"
    if is_overloaded(cell):
        return "their latency depends on the length of the test"
    if has_starved_users(cell) and cell.users_longest_wait_median_ms is not None:
        longest = formats.duration(cell.users_longest_wait_median_ms)
        return f"half of the users waited {longest} or more for a response"
    if has_starved_users(cell):
        return "many requests were never answered, so the latency of the answered ones says little"
    median, p99 = formats.duration(cell.median_ms), formats.duration(cell.p99_ms)
    return f"half of the requests took {median} or less, and 99 % took {p99} or less"


def describe_threads(cell: CellSummary, scenario: Scenario) -> str:
    """Describe the style and the threads in use; offloaded calls count where they are recorded."""
    style, busy = scenario.endpoint.style, cell.threads_active_mean
    work = "the endpoint"
    if style != "def" and (pool := THREADS_OF.get(style)) is not None:
        executor = cell.executor.busy_mean if cell.executor else None
        busy, work = (
            cell.pool_busy_mean if pool == "anyio's pool" else executor,
            "offloaded calls",
        )
    article = "an" if style.startswith("async") else "a"
    endpoint = f"The endpoint is {article} {style}"
    if style == "unknown":
        endpoint = "The style of the endpoint is unknown"
    if cell.threads_spawned is None:
        return f"{endpoint}."
    lived = "one thread" if cell.threads_spawned == 1 else f"{cell.threads_spawned:,} threads"
    if busy is None or cell.threads_spawned == 1:
        return f"{endpoint}: {lived}."
    return f"{endpoint}: {lived}, {formats.decimal(busy)} of them running {work} on average."


def describe_bystander(cell: CellSummary) -> str:
    """Describe bystander latency if the scenario has its own bystander."""
    other = cell.bystander
    if not has_own_bystander(cell) or other.median_ms is None:
        return ""
    least = "at least " if other.median_is_lower_bound else ""
    median = formats.duration(other.median_ms)
    return f"A background request to {other.path} took {least}{median} (median)."


def write_notes(cell: CellSummary) -> list[str]:
    """List verdicts, the cycles of a killed worker, the code that blocked the loop, and errors."""
    found = [f"{verdict.code}: {verdict.message}" for verdict in cell.verdicts]
    if cell.cycles:
        found.append(write_cycles_note(cell.cycles))
    found += write_latency_notes(cell)
    if has_blocked_loop(cell):
        site = cell.blocking_sites[0]
        longest = f"its longest block lasted {formats.milliseconds(site.longest_ms)} ms"
        found.append(f"the event loop was blocked by {site}; {longest}")
    if cell.bystander.lacks_path:
        found.append(f"no background requests: {cell.bystander.path} returns status 404")
    if has_affected_bystander(cell):
        found.append(write_bystander_note(cell))
    if growth := write_growth_note(cell):
        found.append(growth)
    if cell.predicted is not None and cell.predicted.extrapolated:
        found.append(f"the prediction is {EXTRAPOLATED}")
    if cell.predicted is not None and cell.predicted.reason is not None:
        lacks = "prediction" if cell.predicted.ok_rps is not None else "no prediction"
        found.append(f"{lacks}: {cell.predicted.reason.removeprefix(f'{cell.scenario}: ')}")
    return found + list(list_errors(cell))


def write_cycles_note(cycles: Sequence[Cycle]) -> str:
    lengths = join_words([f"{each.end_s - each.start_s:.1f}" for each in cycles])
    ok = join_words([f"{each.ok:,}" for each in cycles])
    failed = join_words([f"{each.failures:,}" for each in cycles])
    return (
        f"{formats.count_things(len(cycles), 'cycle')} from kill to kill, of {lengths} s; "
        f"successful responses: {ok}; failures: {failed}"
    )


def list_errors(cell: CellSummary) -> Iterator[str]:
    """Yield the most frequent errors, and the number that are not shown."""
    yield from (f"{each.count} × {each.error}" for each in cell.errors[:SHOWN_ERRORS])
    if rest := sum(each.count for each in cell.errors[SHOWN_ERRORS:]):
        yield f"{rest} × other errors (`errors` in summary.json)"


def list_advice(cell: CellSummary) -> list[str]:
    """List the advice of the verdicts; informational ones need no action."""
    grave = (each for each in cell.verdicts if each.severity != "info")
    return [f"→ {each.code}: {each.advice}" for each in grave]


def write_latency_notes(cell: CellSummary) -> Iterator[str]:
    """Yield what the latencies leave out and what they depend on."""
    if has_starved_users(cell):
        median = formats.at_least(cell.median_censored_ms, cell.median_lower_bound_ms)
        yield f"* with unanswered requests counted (Kaplan–Meier), the median is {median} ms"
        if cell.users_longest_wait_median_ms is not None:
            longest = formats.milliseconds(cell.users_longest_wait_median_ms)
            yield f"half of the users waited {longest} ms or more for a response"
    if cell.warm_up_cut_s:
        cut = formats.decimal(cell.warm_up_cut_s)
        yield f"the window's first {cut} s were still warm-up (MSER-5) and are left out"
    if cell.growth is not None:
        yield write_ramp_note(cell.growth)
    if (loop := cell.open_loop) is not None and loop.overloaded:
        fails = is_overloaded_by_failures(cell)
        what = "include requests that failed" if fails else "depend on the length of the test"
        yield f"percentiles in parentheses {what}: see OVERLOADED"
        if loop.formula_median_ms is not None:
            yield (
                "first come, first served: a request answered t after the start waited "
                "t (1 - served / offered); this formula gives a median of "
                f"{formats.milliseconds(loop.formula_median_ms)} ms, the measured median is "
                f"{formats.milliseconds(cell.median_ms)} ms"
            )


def write_bystander_note(cell: CellSummary) -> str:
    other = cell.bystander
    least = "at least " if other.median_is_lower_bound else ""
    if not other.pings:
        return f"no background requests ({other.path}) were recorded in the window"
    took = f"took {least}{formats.milliseconds(other.median_ms)} ms (median)"
    if other.median_ms is None:
        took = "never succeeded"
    note = f"background requests to {other.path} {took}; {count_answers(other)}"
    if cell.predicted is None or cell.predicted.bystander_ms is None:
        return note
    predicted_ms = cell.predicted.bystander_ms
    missed = describe_miss(other, predicted_ms)
    return f"{note}; predicted: {formats.milliseconds(predicted_ms)} ms{missed}"


def describe_miss(other: BystanderLatency, predicted_ms: float) -> str:
    """Return an empty text if the measured median is near its prediction, or both are short."""
    if other.median_ms is None or min(other.median_ms, predicted_ms) <= SHORT_MS:
        return ""
    ratio = other.median_ms / predicted_ms
    if ratio > MISSED_RATIO:
        least = "at least " if other.median_is_lower_bound else ""
    elif ratio < 1 / MISSED_RATIO and not other.median_is_lower_bound:
        least = ""
    else:
        return ""
    return f" (measured: {least}{formats.short_ratio(ratio)} times the prediction)"


def count_answers(other: BystanderLatency) -> str:
    """Count failed and unanswered requests apart: a refused request is answered."""
    refused = other.failures - other.unanswered
    if not other.failures:
        return f"all {other.pings} were answered"
    found = {"failed": refused, "had no response when the load ended": other.unanswered}
    first, *more = ((count, what) for what, count in found.items() if count)
    parts = [f"{first[0]} of {other.pings} {first[1]}", *(f"{n} {what}" for n, what in more)]
    return " and ".join(parts)


def write_ramp_note(grown: RampGrowth) -> str:
    alone = f"one user alone got {formats.rate(grown.levels[0][1])} rps"
    if grown.saturated_from is None:
        return f"in the ramp, {alone}; throughput grew until the last user started"
    return f"in the ramp, {alone}; throughput saturates at {grown.saturated_from} users"


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
        line += f" (worst of {outcome.trials} trials: trial {outcome.trial})"
    return line
