"""Requests without a response because a connection broke or was never made."""

from collections.abc import Sequence

import polars as pl

from records.server import WorkerEnd
from scenarios.units import Second

SEEN_S: Second = 0.5
"""The end of a worker is detected within this time."""
UNMADE = ("ClientConnectorError", "ClientConnectorDNSError", "ConnectionRefusedError")
CLOSED = (
    "ServerDisconnectedError", "ClientOSError", "ClientPayloadError", "ConnectionResetError",
    "ConnectionAbortedError", "BrokenPipeError", "RemoteDisconnected", "ClientConnectionResetError",
)  # fmt: skip
EITHER = ("ConnectionError",)
"""Exception names of aiohttp, requests and Python."""


def list_lost(asked: pl.DataFrame) -> pl.DataFrame:
    """List requests that ended without a status although their client did not give up."""
    is_broken = pl.col("error").is_in([*UNMADE, *CLOSED, *EITHER]) & pl.col("status").is_null()
    return asked.filter(is_broken).drop_nulls("ended_s")


def list_lost_by_ends(asked: pl.DataFrame, ends: Sequence[WorkerEnd]) -> pl.DataFrame:
    """List lost requests that were in flight when one of the workers ended."""
    is_lost = pl.lit(False)
    for end in ends:
        gone_s = end.at_s if end.gone_s is None else end.gone_s
        is_near = pl.col("ended_s").is_between(end.at_s - SEEN_S, gone_s + SEEN_S)
        is_lost |= is_near & (pl.col("started_s") <= gone_s)
    return list_lost(asked).filter(is_lost)
