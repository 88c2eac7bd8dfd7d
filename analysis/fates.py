"""Where each request ended: generator, app and upstream must tell the same story."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from records.ids import BYSTANDER_PROCESS, CELL_UNIT, PROCESS_UNIT

BEFORE_SENDING = r"^ConnectionRefusedError|gaierror|Address not available|Too many open files"
"""Errors that come before a request leaves the generator."""
UNSENT = pl.col("error").fill_null("").str.contains(BEFORE_SENDING)


@dataclass(frozen=True, slots=True)
class Fates:
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
    upstream_received: int | None
    upstream_missing: int | None
    upstream_strangers: int | None
    upstream_repeated: int | None

    @property
    def contradictions(self) -> dict[str, int]:
        """The counts that must be zero where no worker died, and are not."""
        counts = {
            "vanished": self.vanished,
            "completed_unseen": self.completed_unseen,
            "app_repeated": self.app_repeated,
            "strangers": self.strangers,
            "upstream_missing": self.upstream_missing,
            "upstream_strangers": self.upstream_strangers,
            "upstream_repeated": self.upstream_repeated,
        }
        return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True, slots=True)
class AppSide:
    """What the app's journal adds, under the names of Fates."""

    received_never_answered: int
    sent_never_received: int
    failed_before_sending: int
    vanished: int
    completed_unseen: int
    app_received: int
    app_repeated: int
    strangers: int


@dataclass(frozen=True, slots=True)
class UpstreamSide:
    """What the upstream's log adds. strangers: None where the app's journal is not known."""

    received: int
    missing: int
    strangers: int | None
    repeated: int


def fates(
    requests: pl.DataFrame,
    handlers: pl.DataFrame | None,
    upstream: pl.DataFrame | None,
    cell_number: int,
) -> Fates:
    """`requests` has one row an id; `handlers` is None where the app has no probe, `upstream`
    where the scenario asks none."""
    answered = requests.filter(pl.col("status").is_not_null())["request_id"]
    app_ids = None if handlers is None else of_load(handlers, cell_number)
    app = None if app_ids is None else app_side(requests, answered, app_ids)
    far = (
        None
        if upstream is None
        else upstream_side(requests, of_load(upstream, cell_number), app_ids)
    )
    unsent = requests.filter(pl.col("status").is_null(), UNSENT).height
    return Fates(
        sent=requests.height,
        completed=len(answered),
        received_never_answered=app.received_never_answered if app else None,
        sent_never_received=app.sent_never_received if app else None,
        failed_before_sending=app.failed_before_sending if app else unsent,
        vanished=app.vanished if app else None,
        completed_unseen=app.completed_unseen if app else None,
        app_received=app.app_received if app else None,
        app_repeated=app.app_repeated if app else None,
        strangers=app.strangers if app else None,
        upstream_received=far.received if far else None,
        upstream_missing=far.missing if far else None,
        upstream_strangers=far.strangers if far else None,
        upstream_repeated=far.repeated if far else None,
    )


def app_side(requests: pl.DataFrame, answered: pl.Series, app_ids: pl.Series) -> AppSide:
    seen = app_ids.unique()
    answered_and_seen = in_both(answered, seen)
    lost = lost_requests(requests, seen)
    lost_and_seen = lost.filter("received").height
    never_sent = ~pl.col("received") & pl.col("unsent")
    never_received = ~pl.col("received") & ~pl.col("unsent")
    return AppSide(
        received_never_answered=lost_and_seen,
        sent_never_received=lost.filter(never_received).height,
        failed_before_sending=lost.filter(never_sent).height,
        vanished=lost.filter(never_received & pl.col("ended_s").is_not_null()).height,
        completed_unseen=len(answered) - answered_and_seen,
        app_received=len(app_ids),
        app_repeated=len(app_ids) - len(seen),
        strangers=len(seen) - answered_and_seen - lost_and_seen,
    )


def upstream_side(
    requests: pl.DataFrame, asked: pl.Series, app_ids: pl.Series | None
) -> UpstreamSide:
    at_upstream = asked.unique()
    answered_well = requests.filter(pl.col("status") == 200)["request_id"]
    return UpstreamSide(
        received=len(asked),
        missing=len(answered_well) - in_both(answered_well, at_upstream),
        strangers=None
        if app_ids is None
        else len(at_upstream) - in_both(at_upstream, app_ids.unique()),
        repeated=len(asked) - len(at_upstream),
    )


def lost_requests(requests: pl.DataFrame, seen: pl.Series) -> pl.DataFrame:
    """Those without an answer: did the app see them, and could they not even leave?"""
    lost = requests.filter(pl.col("status").is_null())
    # sought among the few that are lost: a set of all that were seen would be large
    received = seen.filter(seen.is_in(lost["request_id"].implode()))
    return lost.with_columns(
        received=pl.col("request_id").is_in(received.implode()),
        unsent=UNSENT,
    )


def in_both(some: pl.Series, others: pl.Series) -> int:
    """How many ids are among both; neither repeats one."""
    return len(np.intersect1d(some.to_numpy(), others.to_numpy(), assume_unique=True))


def of_load(table: pl.DataFrame, cell_number: int) -> pl.Series:
    return table.filter(is_of_load(cell_number))["request_id"]


def is_of_load(cell_number: int) -> pl.Expr:
    """Is it a request of this cell's load? The bystander's are not (records.ids tells the parts
    of an id)."""
    cell, process = pl.col("request_id") // CELL_UNIT, pl.col("request_id") // PROCESS_UNIT % 256
    return (cell == cell_number) & (process != BYSTANDER_PROCESS)
