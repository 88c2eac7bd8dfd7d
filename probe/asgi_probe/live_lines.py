"""The lines of `asgi_probe top`, as values."""

from __future__ import annotations

from typing import NamedTuple

from .journal_reader import Value

WINDOW_S = 10.0
"""Length of the past in which requests, lags and CPU count."""
BLOCKS_WINDOW_S = 60.0


class EndedRequest(NamedTuple):
    """Times in seconds. failed: a status of 500 or higher, or no response."""

    ended_s: float
    route: str
    latency_s: float
    wait_s: float
    failed: bool


class ProcessLine(NamedTuple):
    """One process. lag_s: the longest of WINDOW_S. cores: CPU seconds per second. The pool's
    figures are sums over its event loops, None without anyio."""

    pid: int
    in_flight: int
    borrowed: Value
    total: Value
    waiting: Value
    threads: int
    lag_s: float
    cores: float
    rss_bytes: float


class RouteLine(NamedTuple):
    """One route in WINDOW_S. latency_s: the median, from arrival to the response's last part;
    None if no request ended. wait_s: the mean wait for a thread of anyio's pool."""

    route: str
    per_s: float
    in_flight: int
    latency_s: float | None
    longest_s: float | None
    wait_s: float | None
    failed: int


class SiteLine(NamedTuple):
    """One line that blocked the loop in BLOCKS_WINDOW_S, without the time in which the machine
    gave no CPU. cpu_s: of the loop's thread
    meanwhile; None if unknown."""

    site: str
    route: str
    blocks: int
    blocked_s: float
    longest_s: float
    cpu_s: float | None
