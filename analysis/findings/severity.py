"""The severity of a finding, from what it costs each affected request."""

from math import inf

from analysis.findings.base import Severity

GRAVE_MS, SMALL_MS = 1000.0, 100.0


def rate_harm(
    longest_ms: float,
    share: float | None = None,
    grave_share: float = inf,
    small_share: float = inf,
) -> Severity:
    """Return `error` if a request loses a second or the share is grave, `info` below 0.1 s and a
    small share, and `warning` in between."""
    if longest_ms >= GRAVE_MS or (share or 0.0) >= grave_share:
        return "error"
    return "warning" if longest_ms >= SMALL_MS or (share or 0.0) >= small_share else "info"
