"""Where each request ended: generator, app and upstream must tell the same story."""

from dataclasses import asdict, dataclass, replace

import numpy as np
import polars as pl

from analysis.measures.window import CellTables
from records.cell import CellRecord
from records.ids import BYSTANDER_PROCESS, CELL_UNIT, PROCESS_UNIT

BEFORE_SENDING = r"^ConnectionRefusedError|gaierror|Address not available|Too many open files"
"""Errors that come before a request leaves the generator."""
ZEROS = (
    "vanished", "completed_unseen", "app_repeated", "strangers",
    "upstream_missing", "upstream_strangers", "upstream_repeated",
)  # fmt: skip
"""Counts that must be zero where no worker died."""
NO_HANDLERS = pl.DataFrame(schema={"request_id": pl.UInt64})


@dataclass(frozen=True, slots=True)
class RequestAccounting:
    """Each request id that the generator drew has exactly one of the four fates after `sent`.

    vanished: of those sent and never received, the ones that ended in an error; the others still
    lay before the server when the drain ended.
    completed_unseen: answered, though the app's journal does not know them.
    strangers: ids of this cell that the app saw and the generator never sent.
    upstream_missing: answered 200 by the app, unknown to the upstream; None without an upstream.
    upstream_strangers: ids of this cell that the upstream saw and the app did not.
    upstream_repeated: ids that reached the upstream more than once.
    What only the app's journal knows is None for an app without our probe.
    """

    sent: int
    completed: int
    received_never_answered: int | None
    sent_never_received: int | None
    failed_before_sending: int
    vanished: int | None
    completed_unseen: int | None
    app_received: int | None
    app_repeated: int | None
    strangers: int | None
    upstream_received: int | None = None
    upstream_missing: int | None = None
    upstream_strangers: int | None = None
    upstream_repeated: int | None = None

    @property
    def contradictions(self) -> dict[str, int]:
        """Those of `ZEROS` that are not zero."""
        return {name: count for name, count in asdict(self).items() if name in ZEROS and count}


def account_for_cell(record: CellRecord, tables: CellTables) -> RequestAccounting:
    followed = record.scenario.load.tells_ids
    seen = followed and record.scenario.server.is_python
    asked = followed and record.scenario.upstream is not None
    return account_for_requests(
        tables.load_table("requests", ("request_id", "status", "error", "ended_s")),
        tables.load_table("handlers", ("request_id",)) if seen else None,
        tables.load_table("upstream", ("request_id",)) if asked else None,
        record.cell_number,
    )


def account_for_requests(
    requests: pl.DataFrame,
    handlers: pl.DataFrame | None,
    upstream: pl.DataFrame | None,
    cell_number: int,
) -> RequestAccounting:
    """`requests` has one row an id; `handlers` is None where the app has no probe, `upstream`
    where the scenario asks none."""
    if handlers is None:
        return drop_app_counts(account_for_requests(requests, NO_HANDLERS, upstream, cell_number))
    app_ids = select_load_ids(handlers, cell_number)
    seen = app_ids.unique()
    answered = requests.filter(pl.col("status").is_not_null())["request_id"]
    answered_and_seen = count_common(answered, seen)
    lost = find_lost_requests(requests, seen)
    lost_and_seen = lost.filter("received").height
    never_sent = ~pl.col("received") & pl.col("unsent")
    never_received = ~pl.col("received") & ~pl.col("unsent")
    account = RequestAccounting(
        sent=requests.height,
        completed=len(answered),
        received_never_answered=lost_and_seen,
        sent_never_received=lost.filter(never_received).height,
        failed_before_sending=lost.filter(never_sent).height,
        vanished=lost.filter(never_received & pl.col("ended_s").is_not_null()).height,
        completed_unseen=len(answered) - answered_and_seen,
        app_received=len(app_ids),
        app_repeated=len(app_ids) - len(seen),
        strangers=len(seen) - answered_and_seen - lost_and_seen,
    )
    if upstream is None:
        return account
    return add_upstream_counts(account, requests, select_load_ids(upstream, cell_number), seen)


def add_upstream_counts(
    account: RequestAccounting, requests: pl.DataFrame, asked: pl.Series, seen: pl.Series
) -> RequestAccounting:
    """`asked` are the ids at the upstream, `seen` those at the app."""
    at_upstream = asked.unique()
    answered_well = requests.filter(pl.col("status") == 200)["request_id"]
    return replace(
        account,
        upstream_received=len(asked),
        upstream_missing=len(answered_well) - count_common(answered_well, at_upstream),
        upstream_strangers=len(at_upstream) - count_common(at_upstream, seen),
        upstream_repeated=len(asked) - len(at_upstream),
    )


def drop_app_counts(account: RequestAccounting) -> RequestAccounting:
    """What rests on the app's journal is not known."""
    return replace(
        account,
        received_never_answered=None,
        sent_never_received=None,
        vanished=None,
        completed_unseen=None,
        app_received=None,
        app_repeated=None,
        strangers=None,
        upstream_strangers=None,
    )


def find_lost_requests(requests: pl.DataFrame, seen: pl.Series) -> pl.DataFrame:
    """Those without an answer: did the app see them, and could they not even leave?"""
    lost = requests.filter(pl.col("status").is_null())
    # sought among the few that are lost: a set of all that were seen would be large
    received = seen.filter(seen.is_in(lost["request_id"].implode()))
    return lost.with_columns(
        received=pl.col("request_id").is_in(received.implode()),
        unsent=pl.col("error").fill_null("").str.contains(BEFORE_SENDING),
    )


def count_common(some: pl.Series, others: pl.Series) -> int:
    """How many ids are among both; neither repeats one."""
    return len(np.intersect1d(some.to_numpy(), others.to_numpy(), assume_unique=True))


def select_load_ids(table: pl.DataFrame, cell_number: int) -> pl.Series:
    return table.filter(is_load_request(cell_number))["request_id"]


def is_load_request(cell_number: int) -> pl.Expr:
    """Is it a request of this cell's load? The bystander's are not (records.ids tells the parts
    of an id)."""
    return (pl.col("request_id") // CELL_UNIT == cell_number) & ~is_bystander_request()


def is_bystander_request() -> pl.Expr:
    return pl.col("request_id") // PROCESS_UNIT % 256 == BYSTANDER_PROCESS
