"""What comes back for a request of an audit, and how much of it is read."""

from dataclasses import dataclass

from scenarios.units import Second

MOST_BYTES = 16 << 20
CONNECTION_ERRORS = ("ClientConnectorError", "ClientConnectorDNSError")


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """timeout_s: to the last byte. rest_s: where it is first seen whether an answer ends: from the
    first to the last byte of a stream. keep: whether the body is wanted."""

    timeout_s: Second
    most_bytes: int = MOST_BYTES
    rest_s: Second | None = None
    keep: bool = False


@dataclass(slots=True)
class Answer:
    """Times by time.monotonic(). ended_s: None while it has not ended. error: a word without an
    address or a value."""

    request_id: int
    started_s: float = 0.0
    ended_s: float | None = None
    status: int | None = None
    error: str | None = None
    size: int = 0
    kind: str = ""
    body: bytes = b""

    @property
    def is_refused(self) -> bool:
        """Whether no connection came about: its time says nothing of a service."""
        return self.status is None and self.error in CONNECTION_ERRORS
