"""What the load keeps of a response: its size and its beginning, so that one without end does not
fill the memory."""

from dataclasses import dataclass

import geventhttpclient.client
from geventhttpclient.response import HTTPSocketPoolResponse
from locust.contrib.fasthttp import FastResponse
from requests import RequestException, Response

KEPT_BYTES = 1 << 20
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Body:
    """size: of the whole body, in bytes as they were sent
    (decompressed, for users of requests). beginning: at most KEPT_BYTES of it.
    error: why the rest did not arrive."""

    size: int
    beginning: bytes
    error: Exception | None = None


class BoundedResponse(HTTPSocketPoolResponse):
    """Counts the bytes of its body."""

    size = 0

    def _on_headers_complete(self) -> int | bool | None:
        """Nothing is decompressed: a part of a body cannot be, and a false one raises errors that
        Locust does not expect."""
        found = super()._on_headers_complete()
        self._headers_index.discard("content-encoding")
        return found

    def _on_body(self, buf: bytearray) -> None:
        self.size += len(buf)
        if self.size <= KEPT_BYTES:
            super()._on_body(buf)


def bound_bodies() -> None:
    """Make every response of geventhttpclient a BoundedResponse."""
    vars(geventhttpclient.client)["HTTPSocketPoolResponse"] = BoundedResponse


def measure_fast_body(response: FastResponse) -> Body:
    """Return what a FastHttpUser has read."""
    content = response.content or b""
    inner = response._response
    size = inner.size if isinstance(inner, BoundedResponse) else 0
    return Body(max(size, len(content)), content, getattr(response, "error", None))


def read_requests_body(response: Response) -> Body:
    """Read the body of a response whose headers have come, or of none."""
    size, kept = 0, b""
    if not response.status_code:
        return Body(size, kept, getattr(response, "error", None))
    try:
        for chunk in response.iter_content(CHUNK_BYTES):
            size += len(chunk)
            kept = kept if len(kept) > KEPT_BYTES else kept + chunk
    except (RequestException, OSError) as error:
        return Body(size, kept, error)
    return Body(size, kept)
