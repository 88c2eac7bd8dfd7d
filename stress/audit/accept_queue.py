"""The accept queue of a listening socket: connections that the kernel has completed and the server
has not accepted yet. Linux only. Source: sock_diag(7) and the counters of /proc/net/netstat."""

import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from records.server import QueueStretch
from scenarios.units import Second

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, DONE, ERROR = 4, 20, 3, 2
REQUEST_DUMP, LISTEN = 0x301, 10
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ASKED = struct.Struct("=BBBxI48x")  # family, protocol, extensions, states, no address
ANSWERED = struct.Struct("=4xH46x4xII")  # source port, then expires, receive and send queue
NETSTAT = Path("/proc/net/netstat")
LEAST_S: Second = 0.1
"""A shorter wait spans at most two samples."""
MOST_STRETCHES = 10_000


@dataclass(frozen=True, slots=True)
class QueueLook:
    """A sample. waiting: connections in the queues of a port. backlog: of one of them. is_full: the
    kernel drops the next connection."""

    waiting: int
    backlog: int
    is_full: bool


def look_at_queue(port: int) -> QueueLook | None:
    """Sample the queue. Return None without such a socket, or outside Linux. Raises OSError."""
    found = [
        (waiting, backlog)
        for family in (socket.AF_INET, socket.AF_INET6)
        for its_port, waiting, backlog in list_listening(family)
        if its_port == port
    ]
    if not found:
        return None
    is_full = any(waiting > backlog for waiting, backlog in found)
    return QueueLook(sum(each for each, _ in found), max(each for _, each in found), is_full)


def list_listening(family: int) -> Iterator[tuple[int, int, int]]:
    """Yield port, waiting connections and backlog of each listening socket."""
    if sys.platform != "linux":
        return
    asked = ASKED.pack(family, socket.IPPROTO_TCP, 0, 1 << LISTEN)
    head = HEADER.pack(HEADER.size + len(asked), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
        link.settimeout(1.0)
        link.send(head + asked)
        while True:
            content = link.recv(1 << 16)
            at = 0
            while at + HEADER.size <= len(content):
                length, kind, *_ = HEADER.unpack_from(content, at)
                if kind in (DONE, ERROR) or length < HEADER.size:
                    return
                port, waiting, backlog = ANSWERED.unpack_from(content, at + HEADER.size)
                yield socket.ntohs(port), waiting, backlog
                at += (length + 3) & ~3


def count_overflows() -> int:
    """Return the connections dropped because of a full queue, over all sockets of this network
    namespace. Raises OSError, ValueError."""
    rows = [line.split() for line in NETSTAT.read_text("utf-8").splitlines()]
    for names, values in zip(rows[::2], rows[1::2], strict=False):
        if "ListenOverflows" in names:
            return int(values[names.index("ListenOverflows")])
    return 0


@dataclass(slots=True)
class QueueWatch:
    """The periods in which the queue never shrank: its first connection waited that long. Also the
    number of connections dropped while it was full."""

    port: int
    stretches: list[QueueStretch] = field(default_factory=list)
    backlog: int | None = None
    dropped: int = 0
    _open: QueueStretch | None = None
    _last: QueueLook | None = None
    _overflows: int = 0

    def look(self, now_s: Second) -> None:
        """Sample the queue. If the system does not report it, record nothing."""
        try:
            look, overflows = look_at_queue(self.port), count_overflows()
        except (OSError, ValueError, struct.error):
            look, overflows = None, self._overflows
        self.note(look, overflows, now_s)

    def note(self, look: QueueLook | None, overflows: int, now_s: Second) -> None:
        if self._last and look and (self._last.is_full or look.is_full):
            self.dropped += max(0, overflows - self._overflows)
        self._overflows = overflows
        waited = self._last.waiting if self._last else 0
        self._last = look
        if look is None or look.waiting < waited:
            self.close()
        if look is None:
            return
        self.backlog = look.backlog
        if look.waiting:
            began_s = self._open.began_s if self._open else now_s
            self._open = QueueStretch(began_s, now_s, look.waiting)

    def close(self) -> None:
        """End the current period at its last sample."""
        is_long = self._open is not None and self._open.ended_s - self._open.began_s >= LEAST_S
        if self._open is not None and is_long and len(self.stretches) < MOST_STRETCHES:
            self.stretches.append(self._open)
        self._open = None
