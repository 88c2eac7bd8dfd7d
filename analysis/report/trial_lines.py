"""Trials of an audit in sentences: what became faster, and what became slower."""

from collections.abc import Iterator, Sequence

from analysis.findings.remedies import RouteChange, Tried
from analysis.findings.trials.judge_trial import is_better
from analysis.stats import formats


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
    times, verb, bounds = change.ratio, "faster", (change.low, change.high)
    if change.ratio < 1:
        times, verb, bounds = 1 / change.ratio, "slower", (1 / change.high, 1 / change.low)
    low, high = (format_times(each) for each in bounds)
    return (
        f"{change.route} got {format_times(times)} times {verb} ({low} to {high}): "
        f"{before} ms before, {after} ms after"
    )


def format_times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def describe_failures(tried: Tried) -> Iterator[str]:
    for each in tried.failures:
        before, after = (f"{100 * share:.0f} %" for share in (each.before, each.after))
        more = "more" if each.after > each.before else "fewer"
        yield f"{more} requests of {each.route} fail: {before} before, {after} after."
