"""What an audit writes down of the server around the app: its settings, its workers that ended, and
its accept queue."""

from dataclasses import dataclass
from typing import Literal

from scenarios.units import Second

EndReason = Literal["timeout", "killed", "signal", "exit", "stopped", "recycled", "unknown"]
"""timeout: the server killed it because its heartbeat stopped. killed: by SIGKILL, not from the
server. signal, exit: it crashed by another signal, or ended with an exit code that is not 0.
stopped: it ended in good order. recycled: so did it, having served as many requests as it may.
unknown: it is gone, and the server's output does not say why."""


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """at_s: when the server's output named the reason, or when the process was seen to be gone,
    whichever came first; since the audit's t0. gone_s: when it was seen to be gone; None while it
    was there. detail: the signal's name or the exit code."""

    pid: int
    at_s: Second
    reason: EndReason = "unknown"
    detail: str = ""
    gone_s: Second | None = None


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """As far as the command, its variables and its configuration file say; None is unknown.

    timeout_s: without a heartbeat for so long a worker is killed; 0 is never. heartbeat_every_s:
    between two heartbeats of a worker that is not blocked. limit_concurrency: connections or tasks
    from which on requests are refused. backlog: as it is asked for; the system may set it lower.
    """

    timeout_s: Second | None = None
    heartbeat_every_s: Second | None = None
    limit_concurrency: int | None = None
    backlog: int | None = None


@dataclass(frozen=True, slots=True)
class QueueStretch:
    """For so long the accept queue did not become shorter. connections: in it at the end."""

    began_s: Second
    ended_s: Second
    connections: int


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """What was seen of the server while it was asked.

    refusals: how often its output says that it refused a request. queue: the waits of 0.1 s and
    longer in the accept queue. backlog: of the listening socket, as the system has it; None where
    it does not say. dropped: connections that were to be made, while that queue was full.
    """

    settings: ServerSettings = ServerSettings()
    ends: tuple[WorkerEnd, ...] = ()
    refusals: int = 0
    queue: tuple[QueueStretch, ...] = ()
    backlog: int | None = None
    dropped: int = 0
