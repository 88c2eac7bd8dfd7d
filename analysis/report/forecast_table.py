"""The forecast of an audited service with more users, for a terminal."""

from collections.abc import Iterator, Sequence

from analysis.findings.waits.queue_names import name_queue
from analysis.report.table import Column, Row, Table
from analysis.stats import formats
from analysis.theory.audit.forecast import Forecast, WaitCause

RATE, TIME = formats.rate, formats.milliseconds
SHOWN = 3
NOTHING = "no request waits long for another."
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
        Column("first finding", is_text=True),
    )  # fmt: skip
    rows = [
        Row(
            f"{each.users:,}",
            [each.rps, each.mean_ms, name_cause(each.causes[0]) if each.causes else "none"],
        )
        for each in found
    ]
    return Table(columns, rows, notes=[LIMITS])


def describe_causes(found: Forecast) -> Iterator[str]:
    """Yield the first cause of waiting, and the next ones."""
    users = formats.count_things(found.users, "user")
    if not found.causes:
        yield f"With {users}, {NOTHING}"
    for place, each in enumerate(found.causes[:SHOWN]):
        begin = f"With {users}, the first is" if place == 0 else "Next:"
        yield f"{begin} {describe_cause(each, found)}"


def describe_cause(cause: WaitCause, found: Forecast) -> str:
    named = name_cause(cause)
    mean, without = formats.milliseconds(found.mean_ms), formats.milliseconds(cause.without_ms)
    said = f"{named}. The mean latency is {without} ms without it and {mean} ms with it."
    if cause.without_ms is None:
        said = f"{named}."
    if cause.kind == "queue" and cause.finding is None:
        return f"{said} The audit had too few users to reach it."
    return said


def name_cause(cause: WaitCause) -> str:
    """Name the finding's code and place."""
    routes = ", ".join(cause.routes[:SHOWN])
    if cause.kind == "cpu":
        return f"the CPU of the event loop ({routes})"
    if cause.kind == "queue":
        assert cause.queue is not None
        named = name_queue(cause.queue, None)
        code = "EXECUTOR_WAIT" if named.kind == "executor" else "POOL_WAIT"
        return f"{code}, the {cause.capacity:,.0f} {named.unit}s of {named.name} ({routes})"
    if cause.finding is None:
        return f"blocks of the event loop at an unknown place ({routes})"
    place = f"{cause.finding.file}:{cause.finding.line}" if cause.finding.file else "a library"
    return f"{cause.finding.code} at {place} ({routes})"
