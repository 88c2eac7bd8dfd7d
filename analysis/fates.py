"""Where each request ended: generator, app and upstream must tell the same story."""

from dataclasses import dataclass

import polars as pl

from records.ids import BYSTANDER_PROCESS, CELL_UNIT, PROCESS_UNIT

BEFORE_SENDING = r"^ConnectionRefusedError|gaierror|Address not available|Too many open files"
"""Errors that come before a request leaves the generator."""


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
    """

    sent: int
    completed: int
    received_never_answered: int
    sent_never_received: int
    failed_before_sending: int
    vanished: int
    completed_unseen: int
    app_received: int
    app_repeated: int
    strangers: int
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


def fates(
    requests: pl.DataFrame, handlers: pl.DataFrame, upstream: pl.DataFrame | None, cell_number: int
) -> Fates:
    """`upstream` is None where the scenario asks none."""
    app_ids = of_load(handlers, cell_number)
    seen = app_ids.unique()
    told = requests.with_columns(
        received=pl.col("request_id").is_in(seen.implode()),
        answered=pl.col("status").is_not_null(),
        unsent=pl.col("error").fill_null("").str.contains(BEFORE_SENDING),
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
        vanished=lost.filter(
            ~pl.col("received") & ~pl.col("unsent") & pl.col("ended_s").is_not_null()
        ).height,
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
    cell, process = ids // CELL_UNIT, ids // PROCESS_UNIT % 256
    return ids.filter((cell == cell_number) & (process != BYSTANDER_PROCESS))
