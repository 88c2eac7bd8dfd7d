"""Accounting of each request's outcome: the counts of generator, app and upstream must agree."""

from dataclasses import asdict, dataclass, replace

import numpy as np
import polars as pl

from analysis.measures.window import MeasuredCell
from records.ids import BYSTANDER_PROCESS, CELL_UNIT, PROCESS_UNIT

BEFORE_SENDING = r"^ConnectionRefusedError|gaierror|Address not available|Too many open files"
"""Errors that occur before a request leaves the generator."""
ZEROS = (
    "vanished", "completed_unseen", "app_repeated", "strangers",
    "upstream_missing", "upstream_strangers", "upstream_repeated",
)  # fmt: skip
"""Counts that must be zero where no worker died."""
NO_IDS = pl.Series(dtype=pl.UInt64)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAccounting:
    """Each request id of the generator has exactly one of the four outcomes after `sent`.

    vanished: requests sent, never received and ended in an error; other requests that were never
    received still waited before the server when the drain ended.
    completed_unseen: answered, but missing from the app's journal.
    strangers: ids of this cell that the app received and the generator never sent.
    upstream_missing: answered 200 by the app, unknown to the upstream; None without an upstream.
    upstream_strangers: ids of this cell that the upstream received and the app did not.
    upstream_repeated: ids that reached the upstream more than once.
    Counts from the app's journal are None for an app without the probe.
    """

    sent: int
    completed: int
    received_never_answered: int | None = None
    sent_never_received: int | None = None
    failed_before_sending: int
    vanished: int | None = None
    completed_unseen: int | None = None
    app_received: int | None = None
    app_repeated: int | None = None
    strangers: int | None = None
    upstream_received: int | None = None
    upstream_missing: int | None = None
    upstream_strangers: int | None = None
    upstream_repeated: int | None = None

    @property
    def contradictions(self) -> dict[str, int]:
        """The counts of `ZEROS` that are not zero."""
        return {name: count for name, count in asdict(self).items() if name in ZEROS and count}


def account_for_cell(cell: MeasuredCell) -> RequestAccounting:
    scenario, load_table = cell.record.scenario, cell.tables.load_table
    followed = scenario.load.tells_ids
    seen, asked = followed and scenario.server.is_python, followed and scenario.upstream is not None
    return account_for_requests(
        load_table("requests", ("request_id", "status", "error", "ended_s")),
        load_table("handlers", ("request_id",)) if seen else None,
        load_table("upstream", ("request_id",)) if asked else None,
        cell.record.cell_number,
    )


def account_for_requests(
    requests: pl.DataFrame,
    handlers: pl.DataFrame | None,
    upstream: pl.DataFrame | None,
    cell_number: int,
) -> RequestAccounting:
    """`requests`: one row per id. `handlers`: None where the app has no probe. `upstream`: None
    where the scenario calls none."""
    app_ids = None if handlers is None else select_load_ids(handlers, cell_number)
    seen = None if app_ids is None else app_ids.unique()
    answered = requests.filter(pl.col("status").is_not_null())["request_id"]
    lost = find_lost_requests(requests, NO_IDS if seen is None else seen)
    account = RequestAccounting(
        sent=requests.height,
        completed=len(answered),
        failed_before_sending=lost.filter(~pl.col("received"), "unsent").height,
    )
    if app_ids is not None and seen is not None:
        never_received = lost.filter(~pl.col("received"), ~pl.col("unsent"))
        answered_seen, lost_seen = count_common(answered, seen), lost.filter("received").height
        account = replace(
            account,
            received_never_answered=lost_seen,
            sent_never_received=never_received.height,
            vanished=never_received["ended_s"].count(),
            completed_unseen=len(answered) - answered_seen,
            app_received=len(app_ids),
            app_repeated=len(app_ids) - len(seen),
            strangers=len(seen) - answered_seen - lost_seen,
        )
    if upstream is None:
        return account
    return add_upstream_counts(account, requests, select_load_ids(upstream, cell_number), seen)


def add_upstream_counts(
    account: RequestAccounting, requests: pl.DataFrame, asked: pl.Series, seen: pl.Series | None
) -> RequestAccounting:
    """`asked`: the ids at the upstream. `seen`: the ids at the app."""
    at_upstream = asked.unique()
    answered_well = requests.filter(pl.col("status") == 200)["request_id"]
    return replace(
        account,
        upstream_received=len(asked),
        upstream_missing=len(answered_well) - count_common(answered_well, at_upstream),
        upstream_strangers=None
        if seen is None
        else len(at_upstream) - count_common(at_upstream, seen),
        upstream_repeated=len(asked) - len(at_upstream),
    )


def find_lost_requests(requests: pl.DataFrame, seen: pl.Series) -> pl.DataFrame:
    """Find unanswered requests, with `received` (by the app) and `unsent`."""
    lost = requests.filter(pl.col("status").is_null())
    # search the few lost ids: a set of all received ids would be large
    received = seen.filter(seen.is_in(lost["request_id"].implode()))
    return lost.with_columns(
        received=pl.col("request_id").is_in(received.implode()),
        unsent=pl.col("error").fill_null("").str.contains(BEFORE_SENDING),
    )


def count_common(some: pl.Series, others: pl.Series) -> int:
    """Count the ids in both; each must be free of repetitions."""
    return len(np.intersect1d(some.to_numpy(), others.to_numpy(), assume_unique=True))


def select_load_ids(table: pl.DataFrame, cell_number: int) -> pl.Series:
    return table.filter(is_load_request(cell_number))["request_id"]


def is_load_request(cell_number: int) -> pl.Expr:
    """Select requests of this cell's load, without background requests (see records.ids)."""
    return (pl.col("request_id") // CELL_UNIT == cell_number) & ~is_bystander_request()


def is_bystander_request() -> pl.Expr:
    return pl.col("request_id") // PROCESS_UNIT % 256 == BYSTANDER_PROCESS
