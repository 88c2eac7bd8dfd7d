"""Results of sweeps and capacity searches, as tables and sentences."""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from analysis.answers.factors import join_words
from analysis.metrics import list_metrics
from analysis.report.table import Column, Row, Table, build_column, render_terminal
from analysis.report.trials_table import describe_doubts
from analysis.stats import formats
from analysis.summary import capacity
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_starved_users
from analysis.summary.sweep import WORTH, Collapse, Sweep
from scenarios.sweep import format_setting_value

GROWN = 1.2
"""CPU per request is reported if it grows by more than this factor; on a shared machine two equal
runs differ by less."""
CUT_SHORT = "  the search was cut short: the result covers only the completed steps"


def build_sweep_table(found: Sweep, title: str) -> Table:
    metrics = list_metrics("sweep")
    rows = []
    for point in found.points:
        value = format_setting_value(found.setting, point.value)
        rows.append(Row(value, [point.figures[each.key] for each in metrics]))
    columns = (Column(found.setting), *(build_column(each, "sweep") for each in metrics))
    return Table(columns, rows, title, list(write_sweep_remarks(found)))


def write_sweep_remarks(found: Sweep) -> Iterator[str]:
    """Yield the sweep's result, and its doubtful steps."""
    yield f"{found.scenario}: {describe_limit(found)}"
    if found.collapse is not None:
        yield describe_collapse(found, found.collapse)
    growth = describe_cpu_growth(found)
    if growth:
        yield growth
    if found.setting == "users" and found.grows:
        yield f"{found.grows} grew with the users, as the scenario defines"
    yield from describe_doubts(
        (
            f"{found.setting} {format_setting_value(found.setting, each.value)}",
            each.doubts,
            each.trials,
        )
        for each in found.points
    )


def describe_collapse(found: Sweep, collapse: Collapse) -> str:
    """Say where throughput falls, by how much, and what to do."""
    peak = max(found.points, key=lambda each: each.ok_rps or 0.0)
    lost, most = formats.percent(collapse.lost), found.points[-1].value
    return (
        f"congestion collapse: throughput is highest at {collapse.peak:g} users "
        f"({formats.rate(peak.ok_rps)} rps) and falls from {collapse.start:g} users on; "
        f"{most:g} users get {lost} less. Limit the requests in flight to about {collapse.peak:g} "
        "(--client-connections, --pool)"
    )


def describe_cpu_growth(found: Sweep) -> str:
    """Describe how CPU per request grows with the requests in flight; empty if it hardly does."""
    known = [
        (in_flight, cpu_ms)
        for each in found.points
        if (in_flight := found.count_in_flight(each.value))
        and (cpu_ms := each.figures["cpu_ms_per_request"])
    ]
    if not known:
        return ""
    (few, least_ms), (many, most_ms) = min(known, key=lambda each: each[1]), known[-1]
    if few >= many or most_ms <= GROWN * least_ms:
        return ""
    return (
        f"CPU per request grows from {formats.milliseconds(least_ms)} ms with {few:g} in flight to "
        f"{formats.milliseconds(most_ms)} ms with {many:g}"
    )


def describe_offered(found: Sweep, offered: float) -> str:
    """Say up to which delay an open loop's arrivals are all served."""
    short = [
        each.value
        for each in found.points
        if (each.ok_rps or 0.0) < (1 - WORTH) * (each.offered_rps or offered)
    ]
    is_random = any(each.offered_rps not in (None, offered) for each in found.points)
    rate = f"{formats.rate(offered)} rps{' on average' * is_random}"
    if not short:
        return f"{rate} were offered, and served at every delay"
    lasting = list(takewhile(lambda each: each.value in short, reversed(found.points)))
    if not lasting:
        named = join_words([format_setting_value(found.setting, each) for each in short])
        return (
            f"{rate} were offered; less than {100 * (1 - WORTH):.0f} % are served at a delay of "
            f"{named}, but not at longer ones"
        )
    first = lasting[-1].value
    in_flight = found.count_in_flight(first)
    return (
        f"{rate} were offered; from a delay of {format_setting_value(found.setting, first)} on "
        f"({in_flight:g} in flight), less than {100 * (1 - WORTH):.0f} % are served"
    )


def describe_limit(found: Sweep) -> str:
    """Say where a larger value (of a delay, a smaller one) stops helping."""
    most = max((each.ok_rps or 0.0 for each in found.points), default=0.0)
    if not most:
        return "no request was answered at any value"
    if found.arrival_rate is not None:
        return describe_offered(found, found.arrival_rate)
    if found.enough is None:
        return "shorter delays serve less, so the delay is not the limit"
    enough, highest = format_setting_value(found.setting, found.enough), formats.rate(most)
    percent = f"{100 * WORTH:.0f} %"
    if len(found.points) == 1:
        return f"only {found.setting} {enough} was measured"
    if found.setting == "delay":
        if found.enough == found.points[0].value:
            return f"the delay is the limit from {enough} on"
        return (
            f"a delay of up to {enough} costs less than {percent} of the "
            f"throughput ({highest} rps): up to there something else is the limit"
        )
    if found.enough == found.points[-1].value:
        return f"{found.setting} {enough} still helped; no larger value was tried"
    return (
        f"more than {found.setting} {enough} stops paying: throughput grows by less than {percent} "
        f"(to at most {highest} rps){describe_harm(found, most)}"
    )


def describe_harm(found: Sweep, most: float) -> str:
    """Say by how much throughput drops at the largest value; empty if it does not."""
    last = found.points[-1]
    if found.collapse is not None:
        return ""
    if last.ok_rps is None or last.ok_rps >= (1 - WORTH) * most:
        return ""
    less = formats.percent(1 - last.ok_rps / most)
    return f"; {format_setting_value(found.setting, last.value)} serves {less} less than that"


def render_capacity(cells: Sequence[CellSummary]) -> list[str]:
    shares = build_shares_table(cells)
    return describe_capacity(cells) + ([] if shares is None else render_terminal(shares))


def describe_capacity(cells: Sequence[CellSummary]) -> list[str]:
    """Describe the knee with its interval; return nothing without open loops."""
    tried = capacity.select_open_cells(cells)
    if not tried:
        return []
    cut_short = [CUT_SHORT] if capacity.is_any_interrupted(cells) else []
    return [describe_knee(capacity.compute_knee(tried)), *cut_short]


def build_shares_table(cells: Sequence[CellSummary]) -> Table | None:
    """Tabulate latencies at shares of the knee; None if no rate was sustained."""
    found = capacity.select_share_cells(cells)
    if found is None:
        return None
    loops = (cell.open_loop for cell in capacity.select_open_cells(cells))
    arrivals = ", ".join(sorted({loop.arrivals for loop in loops if loop}))
    columns = (
        Column("load"), Column("offered rps", format=formats.rate), Column("median ms"),
        Column("p99 ms"), Column(f"{arrivals} arrivals", is_text=True),
    )  # fmt: skip
    return Table(columns, [build_share_row(*each) for each in found])


def build_share_row(share: float, cell: CellSummary) -> Row:
    """Build a row, with latencies in brackets if the rate was not sustained or if unanswered
    requests are missing from them."""
    sustained = capacity.build_search_step(cell).sustained and not has_starved_users(cell)
    latency = formats.milliseconds if sustained else formats.bracket_milliseconds
    offered = cell.open_loop.offered_rps if cell.open_loop else None
    return Row(f"{100 * share:.0f} %", [offered, latency(cell.median_ms), latency(cell.p99_ms), ""])


def describe_knee(found: capacity.Knee) -> str:
    low, high = formats.rate(found.sustained_rps), formats.rate(found.overloaded_rps)
    limit = formats.rate(found.generator_limit)
    if found.sustained_rps is None:
        if found.overloaded_rps is None:
            return f"capacity: unknown; the generator can't offer {limit} rps (--load-processes)"
        return f"capacity: below {high} rps; none of the rates tried was sustained"
    if found.overloaded_rps is not None:
        why = explain_wide_interval(found)
        return f"capacity: between {low} and {high} rps ({found.steps} steps{why})"
    if found.generator_limit is not None:
        return f"capacity: at least {low} rps; to offer {limit}, use more --load-processes"
    return f"capacity: at least {low} rps ({found.steps} steps; more --steps would go further)"


def explain_wide_interval(found: capacity.Knee) -> str:
    """Say why an interval with two ends is wide; empty if it is narrow."""
    high, limit = found.overloaded_rps, found.generator_limit
    if found.is_narrow or high is None:
        return ""
    if limit is not None and limit < high:
        return f"; the generator can't offer {formats.rate(limit)}"
    return "; more --steps would narrow it"
