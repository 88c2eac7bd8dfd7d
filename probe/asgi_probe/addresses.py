"""Addresses at which a probe serves its journals: a Unix socket's path, or a host and a port."""

from __future__ import annotations

import os
from typing import Union

from .errors import UsageError

LISTEN_VARIABLE = "ASGI_PROBE_LISTEN"
LOOPBACK = "127.0.0.1"
LONGEST_PATH = 90
"""Bytes. A socket's path may have 104 to 108, and the probe first binds a longer name."""
Address = Union[str, tuple[str, int]]
"""A Unix socket's path, or host and port."""


def parse_address(text: str) -> Address:
    """Parse PATH (with a slash), HOST:PORT, :PORT or PORT; without a host, it is the loopback's.
    Raises UsageError."""
    if "/" in text:
        if len(os.fsencode(text)) > LONGEST_PATH:
            raise UsageError(f"{text}: the path of a socket has at most {LONGEST_PATH} bytes")
        return text
    host, _, port = text.rpartition(":")
    if not (port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536):
        raise UsageError(f"{text!r} is not an address; give HOST:PORT, such as {LOOPBACK}:9464")
    return host.strip("[]") or LOOPBACK, int(port)
