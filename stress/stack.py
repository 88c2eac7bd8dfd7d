"""The measured stack: an upstream and a server in front of it, started fresh and stopped again."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import psutil
from pydantic import TypeAdapter, ValidationError

from records.cell import UpstreamSummary
from stress import plan
from stress.databases import PreparedDatabase
from stress.processes import ExternalProcess, Process, describe_end, end_all

FILE = "file.bin"
ACCESS_FILE = "access.txt"
ACCESS_KEPT_BYTES = 16_384
opened = build_opener(ProxyHandler({})).open


def is_answering(port: int, host: str = plan.HOST) -> bool:
    try:
        with opened(f"http://{host}:{port}/ping", timeout=2) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


UPSTREAM_LOG = "upstream.csv"
MOST_STATS_BYTES = 1 << 20


@dataclass(slots=True)
class Stack:
    """upstream_url: None if the scenario uses none. host: the server's; the upstream is always on
    loopback.

    processes: those that `close` stops. attached: those of another owner, which keep running."""

    port: int
    folder: Path
    upstream_url: str | None
    processes: list[Process] = field(default_factory=list)
    attached: list[ExternalProcess] = field(default_factory=list)
    host: str = plan.HOST
    log_lengths: dict[Path, int] = field(default_factory=dict)
    """Length of each log, in bytes, when a running stack was attached."""
    database: PreparedDatabase | None = None

    @property
    def members(self) -> list[Process | ExternalProcess]:
        return [*self.processes, *self.attached]

    @property
    def journals(self) -> Path:
        return self.folder / "journals"

    @property
    def upstream_log(self) -> Path:
        return self.folder / UPSTREAM_LOG

    def start(
        self, command: plan.Command, stdin: int = subprocess.DEVNULL, stdout: int | None = None
    ) -> Process:
        """Start a process, to be stopped by `close`; its log has the name of its role."""
        process = Process(command.role, self.folder / f"{command.role}.log")
        self.processes.append(process.start(command, stdin, stdout))
        return process

    def list_processes(self, role: str) -> list[psutil.Process]:
        return [each for one in self.members if one.role == role for each in one.list_processes()]

    def list_commands(self) -> dict[str, list[str]]:
        return {one.role: list(one.argv) for one in self.members}

    def find_ended_process(self) -> str | None:
        """Describe a process that ended by itself; None if all live."""
        return next(filter(None, map(describe_end, self.members)), None)

    def fetch_upstream_summary(self) -> UpstreamSummary | None:
        """Return the upstream's statistics; None if there is no upstream, if it has ended, or if it
        also served earlier cells."""
        if self.upstream_url is None or self.attached:
            return None
        try:
            with opened(f"{self.upstream_url}/stats", timeout=5) as answer:
                return TypeAdapter(UpstreamSummary).validate_json(answer.read(MOST_STATS_BYTES))
        except (OSError, ValidationError):
            return None

    def read_descriptor_limit(self, otherwise: int) -> int:
        """Return the server's own soft limit, if the system shows it."""
        for server in self.list_processes("server")[:1]:
            if hasattr(server, "rlimit"):
                return int(server.rlimit(psutil.RLIMIT_NOFILE)[0])
        return otherwise

    def close(self) -> None:
        """Stop all processes, the database last, and remove its data."""
        asking = [each for each in self.processes if each.role != "database"]
        end_all(list(reversed(asking)))
        end_all([each for each in self.processes if each.role == "database"])
        if self.database is not None:
            self.database.clean()
        (self.folder / FILE).unlink(missing_ok=True)
        access = self.folder / ACCESS_FILE
        if access.exists():  # its lines are all alike
            os.truncate(access, min(access.stat().st_size, ACCESS_KEPT_BYTES))
