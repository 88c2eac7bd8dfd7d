"""The response to a request of an audit, and the limits on reading it."""

from dataclasses import dataclass

from scenarios.units import Second

MOST_BYTES = 16 << 20
CONNECTION_ERRORS = ("ClientConnectorError", "ClientConnectorDNSError")
TLS_ERRORS = ("ClientConnectorCertificateError", "ClientConnectorSSLError")


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """timeout_s: up to the last byte. rest_s: from the first to the last byte of a stream, to
    detect an endless one. keep: keep the body."""

    timeout_s: Second
    most_bytes: int = MOST_BYTES
    rest_s: Second | None = None
    keep: bool = False


@dataclass(slots=True)
class Answer:
    """A response. Times are time.monotonic(). ended_s: None while unfinished. error: a word without
    any address or value."""

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
        """True if the connection failed: its time says nothing about the service."""
        return self.status is None and self.error in CONNECTION_ERRORS

    @property
    def fails_in_tls(self) -> bool:
        """True if the server has no TLS, or a certificate that this machine does not trust."""
        return self.status is None and self.error in TLS_ERRORS
