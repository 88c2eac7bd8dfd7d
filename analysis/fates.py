"""Where each request ended: generator, app and upstream must tell the same story."""

from dataclasses import dataclass

import polars as pl

BEFORE_SENDING = ("ConnectionRefusedError", "gaierror", "TimeoutError: connect")
"""Errors that come before a request leaves."""


@dataclass(frozen=True, slots=True)
class Fates:
    """Each request id that the generator drew has exactly one of the first four fates.

    strangers: ids of this cell that the app saw and the generator never sent.
    upstream_missing: answered 200 by the app, unknown to the upstream; None without an upstream.
    upstream_strangers: ids of this cell that the upstream saw and the app did not.
    upstream_repeated: ids that reached the upstream more than once.
    """

    sent: int
    completed: int
    received_never_answered: int
    sent_never_received: int
    failed_before_sending: int
    completed_unseen: int
    app_received: int
    app_repeated: int
    strangers: int
    upstream_received: int | None
    upstream_missing: int | None
    upstream_strangers: int | None
    upstream_repeated: int | None

    @property
    def add_up(self) -> bool:
        """Whether the counts are equal where nothing died: all that was sent was received once,
        and all that was answered well went through the upstream."""
        return not any(
            (
                self.sent_never_received,
                self.completed_unseen,
                self.app_repeated,
                self.strangers,
                self.upstream_missing,
                self.upstream_strangers,
                self.upstream_repeated,
            )
        )


def fates(
    requests: pl.DataFrame, handlers: pl.DataFrame, upstream: pl.DataFrame | None, cell_number: int
) -> Fates:
    """`upstream` is None where the scenario asks none."""
    app_ids = of_load(handlers, cell_number)
    seen = app_ids.unique()
    told = requests.with_columns(
        received=pl.col("request_id").is_in(seen.implode()),
        answered=pl.col("status").is_not_null(),
        unsent=pl.col("error").fill_null("").str.starts_with(BEFORE_SENDING[0])
        | pl.col("error").fill_null("").str.contains("gaierror|Address not available|Too many open"),
    )
    lost = told.filter(~pl.col("answered"))
    answered_well = told.filter(pl.col("status") == 200)["request_id"]
    counts: tuple[int | None, int | None, int | None, int | None] = (None, None, None, None)
    if upstream is not None:
        asked = of_load(upstream, cell_number)
        at_upstream = asked.unique()
        counts = (
            len(asked),
            int((~answered_well.is_in(at_upstream.implode())).sum()),
            int((~at_upstream.is_in(seen.implode())).sum()),
            len(asked) - len(at_upstream),
        )
    return Fates(
        sent=told.height,
        completed=told.filter("answered").height,
        received_never_answered=lost.filter("received").height,
        sent_never_received=lost.filter(~pl.col("received") & ~pl.col("unsent")).height,
        failed_before_sending=lost.filter(~pl.col("received") & pl.col("unsent")).height,
        completed_unseen=told.filter(pl.col("answered") & ~pl.col("received")).height,
        app_received=len(app_ids),
        app_repeated=len(app_ids) - len(seen),
        strangers=int((~seen.is_in(requests["request_id"].implode())).sum()),
        upstream_received=counts[0],
        upstream_missing=counts[1],
        upstream_strangers=counts[2],
        upstream_repeated=counts[3],
    )


def of_load(table: pl.DataFrame, cell_number: int) -> pl.Series:
    """The ids of this cell's load, the bystander's left out (records.ids tells their parts)."""
    ids = table["request_id"].drop_nulls()
    cell, process = ids // (1 << 48), ids // (1 << 40) % 256
    return ids.filter((cell == cell_number) & (process != 255))
