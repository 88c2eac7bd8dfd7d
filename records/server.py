"""What an audit writes down of the server around the app: its settings, its workers that ended, and
its accept queue."""

from dataclasses import dataclass
from typing import Literal

from scenarios.units import Second

EndReason = Literal["timeout", "killed", "signal", "exit", "recycled", "unknown"]
"""timeout: the server killed it because its heartbeat stopped. killed: by SIGKILL, not from the
server. signal, exit: another signal, or an exit code that is not 0. recycled: it had served as many
requests as it may. unknown: it is gone, and the server's output does not say why."""


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
class ServerRecord:
    """What was seen of the server while it was asked."""

    settings: ServerSettings = ServerSettings()
    ends: tuple[WorkerEnd, ...] = ()
