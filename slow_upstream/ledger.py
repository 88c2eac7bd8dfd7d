"""The outcome of every request: counts for /stats, and one log line per request."""

import math
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from io import RawIOBase
from typing import Literal

End = Literal["200", "500", "dropped"]
LOG_HEADER = b"request_id,at_s,asked_ms,waited_ms,status\n"

_REQUEST_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")


def clean_request_id(text: str) -> str:
    """Return the id if it fits a CSV cell unchanged, else "". A truncated id matches nothing."""
    return text if _REQUEST_ID.fullmatch(text) else ""


# Compared by identity: two requests without an id may arrive at the same time.
@dataclass(frozen=True, slots=True, eq=False)
class HeldRequest:
    """A valid request that still waits."""

    request_id: str
    arrived_s: float
    asked_ms: int


@dataclass(frozen=True, slots=True)
class UpstreamStats:
    """A snapshot. received = served + errors + dropped + in_flight; means are over `served`."""

    implementation: str
    received: int
    served: int
    errors: int
    rejected: int
    dropped: int
    in_flight: int
    in_flight_peak: int
    asked_ms_mean: float | None
    late_ms_mean: float | None
    late_ms_max: float | None
    uptime_s: float


class RequestLog:
    """A CSV file, written in whole lines so that SIGKILL leaves no torn line."""

    def __init__(self, file: RawIOBase) -> None:
        self._file: RawIOBase | None = file
        self._lines = [LOG_HEADER]

    def add(self, held: HeldRequest, waited_ms: float, status: str) -> None:
        line = f"{held.request_id},{held.arrived_s:.6f},{held.asked_ms},{waited_ms:.3f},{status}\n"
        self._lines.append(line.encode("ascii"))

    def flush(self) -> None:
        lines, self._lines = b"".join(self._lines), []
        if self._file is None or not lines:
            return
        try:
            self._file.write(lines)
        except OSError as error:
            # A full disk must not change the waits that are being measured.
            print(f"slow-upstream: stopped logging: {error}", file=sys.stderr, flush=True)
            self._file = None


class UpstreamCounters:
    """Counters of requests from arrival to end. Not thread-safe: only the event loop uses it."""

    def __init__(
        self, log: RequestLog | None = None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._now_s = now_s
        self._started_s = now_s()
        self._closed = False
        self._open: set[HeldRequest] = set()
        self._ended = Counter[End]()
        self._received = self._rejected = self._in_flight_peak = 0
        self._asked_ms_sum = self._late_ms_sum = 0.0
        self._late_ms_max = -math.inf

    def reject(self) -> None:
        self._rejected += 1

    def record_arrival(self, request_id: str, asked_ms: int) -> HeldRequest:
        held = HeldRequest(request_id, self._now_s(), asked_ms)
        if not self._closed:
            self._received += 1
            self._open.add(held)
            self._in_flight_peak = max(self._in_flight_peak, len(self._open))
        return held

    def record_end(self, held: HeldRequest, end: End) -> None:
        if self._closed:
            return
        self._open.remove(held)
        late_ms = self._write(held, end) - held.asked_ms
        self._ended[end] += 1
        if end == "200":
            self._asked_ms_sum += held.asked_ms
            self._late_ms_sum += late_ms
            self._late_ms_max = max(self._late_ms_max, late_ms)

    def close(self) -> None:
        """Log the requests that still wait. Nothing is counted after this."""
        for held in sorted(self._open, key=lambda held: held.arrived_s):
            self._write(held, "held")
        self.flush()
        self._closed = True

    def flush(self) -> None:
        if self._log is not None:
            self._log.flush()

    def take_snapshot(self) -> UpstreamStats:
        served = self._ended["200"]
        return UpstreamStats(
            implementation="python",
            received=self._received,
            served=served,
            errors=self._ended["500"],
            rejected=self._rejected,
            dropped=self._ended["dropped"],
            in_flight=len(self._open),
            in_flight_peak=self._in_flight_peak,
            asked_ms_mean=round(self._asked_ms_sum / served, 3) if served else None,
            late_ms_mean=round(self._late_ms_sum / served, 3) if served else None,
            late_ms_max=round(self._late_ms_max, 3) if served else None,
            uptime_s=round(self._now_s() - self._started_s, 3),
        )

    def _write(self, held: HeldRequest, status: End | Literal["held"]) -> float:
        """Log a request and return its wait in milliseconds."""
        waited_ms = (self._now_s() - held.arrived_s) * 1000
        if self._log is not None:
            self._log.add(held, waited_ms, status)
        return waited_ms
