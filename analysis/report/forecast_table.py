"""The forecast of an audited service with more users, for a terminal."""

import math
from collections.abc import Iterator, Sequence

from analysis.findings.waits.queue_names import name_queue
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.theory.audit.causes import WaitCause
from analysis.theory.audit.forecast import Forecast, is_shorter

RATE, TIME = formats.rate, formats.milliseconds
SHOWN = 3
LIMITS = (
    "The model assumes that upstreams (a database, another service) are as fast as in the audit, "
    "and that CPU per request stays the same."
)


def build_forecast_table(now: Forecast, then: Forecast) -> Table:
    """Build the table. now: the forecast for the audit's own number of users."""
    columns = (
        Column("predicted", is_text=True),
        *(
            Column(f"{formats.count_things(each.users, 'user')}", unit, form)
            for each in (now, then)
            for unit, form in (("rps", RATE), ("p50 ms", TIME), ("p99 ms", TIME))
        ),
    )
    before = {each.route: each for each in now.levels}
    rows = [
        Row(
            each.route,
            [
                value
                for level in (before.get(each.route), each)
                for value in (
                    (level.rps, level.p50_ms, level.p99_ms) if level else (None, None, None)
                )
            ],
        )
        for each in then.levels
    ]
    return Table(columns, rows, notes=[*describe_causes(then), LIMITS])


def build_users_table(found: Sequence[Forecast]) -> Table:
    """Build a row for each number of users."""
    columns = (
        Column("users"), Column("requests", "rps", RATE), Column("mean", "ms", TIME),
        Column("requests wait longest for", is_text=True),
    )  # fmt: skip
    rows = [
        Row(
            f"{each.users:,}",
            [
                each.rps,
                each.mean_ms,
                name_cause(each.causes[0])
                if each.causes
                else f"little: at most {round_up(each.times_alone)} times as long as alone",
            ],
        )
        for each in found
    ]
    return Table(columns, rows, notes=[LIMITS])


def describe_causes(found: Forecast) -> Iterator[str]:
    """Yield the cause for which requests wait longest, and the next ones."""
    users = formats.count_things(found.users, "user")
    if not found.causes:
        times = round_up(found.times_alone)
        yield f"With {users}, no route takes longer than {times} times its mean latency alone."
    for place, each in enumerate(found.causes[:SHOWN]):
        begin = f"With {users}, the first cause of waiting is" if place == 0 else "Next:"
        yield f"{begin} {describe_cause(each, found)}"


def round_up(times: float) -> str:
    return formats.short_number(math.ceil(10 * times) / 10)


def describe_cause(cause: WaitCause, found: Forecast) -> str:
    said = [f"{name_cause(cause)}{', which is no finding' if cause.kind == 'cpu' else ''}."]
    if cause.kind == "queue" and cause.finding is not None:
        said.append(f"There, requests wait for {name_lent(cause)}.")
    if cause.without_ms is not None:
        said.append(describe_gain(cause, cause.without_ms, found))
    if cause.kind == "queue" and cause.finding is None:
        said.append("It is not among the audit's findings.")
    return " ".join(said)


def describe_gain(cause: WaitCause, without_ms: float, found: Forecast) -> str:
    mean, without = formats.milliseconds(found.mean_ms), formats.milliseconds(without_ms)
    figures = f"{without} ms without it and {mean} ms with it."
    said = f"The mean latency is {figures}"
    if not is_shorter(without_ms, found.mean_ms):
        much = " much" if without_ms < found.mean_ms else ""
        said = f"Its removal alone does not shorten the mean latency{much}: {figures}"
    if cause.other is None:
        return said
    both = formats.milliseconds(cause.without_both_ms)
    return f"{said} It is {both} ms without {name_cause(cause.other)} as well."


def name_cause(cause: WaitCause) -> str:
    """Name the finding's code and place."""
    routes = ", ".join(cause.routes[:SHOWN])
    if cause.kind == "cpu":
        return f"the requests' own CPU ({routes})"
    if cause.finding is not None:
        place = f"{cause.finding.file}:{cause.finding.line}" if cause.finding.file else "a library"
        return f"{cause.finding.code} at {place} ({routes})"
    if cause.kind == "queue":
        assert cause.queue is not None
        kind = name_queue(cause.queue, None).kind
        code = "EXECUTOR_WAIT" if kind == "executor" else "POOL_WAIT"
        return f"{code}, {name_lent(cause)} ({routes})"
    return f"blocks of the event loop at an unknown place ({routes})"


def name_lent(cause: WaitCause) -> str:
    """As in "the 40 threads of anyio's pool"."""
    assert cause.queue is not None
    named = name_queue(cause.queue, None)
    unit = named.unit if cause.capacity == 1 else f"{named.unit}s"
    return f"the {cause.capacity:,.0f} {unit} of {named.name}"
