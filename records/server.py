"""An audit's record of the app's server: settings, ended workers, and the accept queue."""

from dataclasses import dataclass
from typing import Literal

from scenarios.units import Second

EndReason = Literal["timeout", "killed", "signal", "exit", "stopped", "recycled", "unknown"]
"""timeout: the server killed the worker because its heartbeat stopped. killed: SIGKILL that did not
come from the server. signal, exit: a crash by another signal, or a nonzero exit code. stopped: a
normal exit. recycled: a normal exit after its maximum number of requests. unknown: the worker is
gone and the server's output does not say why."""


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """at_s: when the server's output named the reason or the process was gone, whichever is first,
    since the audit's t0. gone_s: when the process was gone; None before that. detail: the signal's
    name or the exit code."""

    pid: int
    at_s: Second
    reason: EndReason = "unknown"
    detail: str = ""
    gone_s: Second | None = None


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings from the command, its variables and its configuration file; None is unknown.

    timeout_s: the server kills a worker after this long without a heartbeat; 0 is never.
    heartbeat_every_s: heartbeat interval of a worker that is not blocked. limit_concurrency:
    connections or tasks at which the server refuses requests. backlog: as requested; the kernel
    may lower it.
    """

    timeout_s: Second | None = None
    heartbeat_every_s: Second | None = None
    limit_concurrency: int | None = None
    backlog: int | None = None


@dataclass(frozen=True, slots=True)
class QueueStretch:
    """A period in which the accept queue did not shrink. connections: its length at the end."""

    began_s: Second
    ended_s: Second
    connections: int


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """The server as observed under load.

    refusals: number of refused requests in its output. queue: waits of at least 0.1 s in the accept
    queue. backlog: the listening socket's, as the kernel reports it; None if unknown. dropped:
    connection attempts that failed because that queue was full.
    """

    settings: ServerSettings = ServerSettings()
    ends: tuple[WorkerEnd, ...] = ()
    refusals: int = 0
    queue: tuple[QueueStretch, ...] = ()
    backlog: int | None = None
    dropped: int = 0
