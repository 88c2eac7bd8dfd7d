"""Collects measurements where they arise, at the cost of one append, and passes them to a metrics
library on the watchdog's thread."""

from __future__ import annotations

import logging
from collections import deque

from .metrics import LOOP_LAG, Metrics

MOST_NOTED = 100_000
"""Maximum of measurements that wait for the watchdog, which takes them four times per second."""
MOST_MISSED = 6_000
"""Maximum of values for one late heartbeat: one minute's. A longer block counts as one minute."""
log = logging.getLogger("probe")


class MetricsFeed:
    """Measurements of one probe."""

    def __init__(self, metrics: Metrics, beat_s: float) -> None:
        self._metrics: Metrics | None = metrics
        self._beat_s = beat_s
        self._lags: deque[float] = deque(maxlen=MOST_NOTED)

    def note_lag(self, lag_s: float) -> None:
        """Record a heartbeat's delay. Call on the loop's thread."""
        self._lags.append(lag_s)

    def write(self) -> None:
        """Pass on what was recorded. Call on the watchdog's thread."""
        if self._metrics is None:
            return
        try:
            self._write_lags(self._metrics)
        except Exception as error:  # of the metrics library: the probe goes on without it
            self._metrics = None
            log.error("the probe's metrics are switched off: %r", error, exc_info=error)

    def _write_lags(self, metrics: Metrics) -> None:
        """A late heartbeat stands for those that it delayed, which would have been late as well."""
        while self._lags:
            lag_s = self._lags.popleft()
            for _ in range(MOST_MISSED):
                metrics.record(LOOP_LAG, (), max(lag_s, 0.0))
                lag_s -= self._beat_s
                if lag_s < self._beat_s:
                    break
