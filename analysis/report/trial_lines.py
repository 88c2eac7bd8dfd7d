"""Trials of an audit in sentences: what became faster, and what became slower."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from analysis.findings.remedies import FailureChange, RouteChange, Tried
from analysis.findings.trials.judge_trial import is_better
from analysis.report.table import shorten, wrap_whole
from analysis.stats import formats

LEAST_TRIALS = 2
"""Trials that a terminal shows even if they do not fit."""
MOST_NAMED = 30
"""Characters of a trial or a route in a short text."""


def render_trials(tried: Sequence[Tried], room: int) -> list[str]:
    """Return terminal lines: the whole texts if they fit, else a short text of each of the first
    trials and the number of the others. room: free lines."""
    whole = [line for each in describe_trials(tried) for line in wrap_whole(each)]
    if len(whole) <= room:
        return whole
    lines = list[str]()
    for place, each in enumerate(tried):
        brief = wrap_whole(
            f"--try {shorten(each.trial or '', MOST_NAMED)}: {summarize_trial(each)}"
        )
        is_last = place == len(tried) - 1
        if place >= LEAST_TRIALS and len(lines) + len(brief) + (not is_last) > room:
            more = formats.count_things(len(tried) - place, "more trial")
            return [*lines, f"and {more}: see -v and report.html"]
        lines += brief
    return lines


def summarize_trial(tried: Tried) -> str:
    """Give the greatest gain, the greatest loss, and the failures."""
    if tried.reason is not None:
        return "not measured."
    better = max(filter(is_better, tried.routes), key=get_ratio, default=None)
    worse = min(
        (each for each in tried.routes if each.route in tried.worse), key=get_ratio, default=None
    )
    worst = max(tried.failures, key=lambda each: each.after - each.before, default=None)
    named = [
        replace(each, route=shorten(each.route, MOST_NAMED)) for each in (better, worse) if each
    ]
    parts = [describe_ratio(each) for each in named]
    if worst is not None:
        parts.append(describe_failing(replace(worst, route=shorten(worst.route, MOST_NAMED))))
    return f"{'; '.join(parts) or 'no clear change'}."


def describe_trials(tried: Sequence[Tried]) -> Iterator[str]:
    """Yield a sentence or two for each trial."""
    for each in tried:
        yield f"--try {each.trial}: {describe_trial(each)}"


def describe_trial(tried: Tried) -> str:
    if tried.reason is not None:
        return f"not measured: {tried.reason}."
    better = sorted(filter(is_better, tried.routes), key=lambda each: -each.ratio)
    worse = sorted((each for each in tried.routes if each.route in tried.worse), key=get_ratio)
    unclear = len(tried.routes) - len(better) - len(worse)
    parts = [f"{describe_change(each)}." for each in better[:1]]
    if better[1:]:
        parts.append(f"{formats.count_things(len(better) - 1, 'more route')} got faster.")
    parts += [f"{describe_change(each)}." for each in worse]
    parts += list(describe_failures(tried))
    if unclear:
        routes = formats.count_things(unclear, "route")
        parts.append(f"{routes} {'show' if unclear > 1 else 'shows'} no clear change.")
    if tried.memory_mb is not None:
        before, after = tried.memory_mb
        verb = "grew" if after > before else "shrank"
        parts.append(f"Memory {verb} from {before:,.0f} to {after:,.0f} MB.")
    parts += [f"Note that {each}." for each in tried.warnings]
    return " ".join(parts)


def get_ratio(change: RouteChange) -> float:
    return change.ratio


def describe_change(change: RouteChange) -> str:
    """Describe a change; the interval is that of the ratio shown."""
    before, after = (formats.milliseconds(each.p50_ms) for each in (change.before, change.after))
    bounds = change.low, change.high
    if change.ratio < 1:
        bounds = 1 / change.high, 1 / change.low
    low, high = (format_times(each) for each in bounds)
    return f"{describe_ratio(change)} ({low} to {high}): {before} ms before, {after} ms after"


def describe_ratio(change: RouteChange) -> str:
    ratio = change.ratio
    times, verb = (1 / ratio, "slower") if ratio < 1 else (ratio, "faster")
    return f"{change.route} got {format_times(times)} times {verb}"


def format_times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def describe_failures(tried: Tried) -> Iterator[str]:
    for each in tried.failures:
        before, after = (f"{100 * share:.0f} %" for share in (each.before, each.after))
        yield f"{describe_failing(each)}: {before} before, {after} after."


def describe_failing(change: FailureChange) -> str:
    more = "more" if change.after > change.before else "fewer"
    return f"{more} requests of {change.route} fail"
