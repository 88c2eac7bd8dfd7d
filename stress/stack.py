"""The measured stack: an upstream and a server in front of it, fresh, ready, and ended again."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import psutil
from pydantic import TypeAdapter, ValidationError

from records.cell import UpstreamSummary
from scenarios.model import AccessLog, Database, Scenario
from scenarios.problems import cannot_run
from stress import databases, plan
from stress.databases import Filled
from stress.interruption import CellInterruptedError, Interruption
from stress.machine import free_port, is_own, listeners
from stress.processes import POLL_S, Attached, Process, end_all, how_it_ended
from stress.watch import WorkerWatch

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 30.0
LONG_BUILD_S = 2.0
"""From here on a build is worth a word."""
MIB = 2**20
FILE = "file.bin"
ACCESS_FILE = "access.txt"
TERMINAL_BYTES_PER_S = 65_536
"""A line of uvicorn's access log has some 60 bytes: about a thousand a second."""
ACCESS_KEPT_BYTES = 16_384
_open = build_opener(ProxyHandler({})).open


@dataclass(slots=True)
class Stack:
    """upstream_url is None where the scenario asks none. host: the server's; its upstream is on
    loopback in any case.

    processes are ours to end, attached ones belong to somebody else."""

    port: int
    folder: Path
    upstream_url: str | None
    processes: list[Process] = field(default_factory=list)
    attached: list[Attached] = field(default_factory=list)
    host: str = plan.HOST
    told_before: dict[Path, int] = field(default_factory=dict)
    """Length of each log, in characters, when a held-up stack was attached."""
    database: Filled | None = None

    @property
    def members(self) -> list[Process | Attached]:
        return [*self.processes, *self.attached]

    @property
    def journals(self) -> Path:
        return self.folder / "journals"

    @property
    def upstream_log(self) -> Path:
        return self.folder / "upstream.csv"

    def family(self, role: str) -> list[psutil.Process]:
        return [each for one in self.members if one.role == role for each in one.family()]

    def commands(self) -> dict[str, list[str]]:
        return {one.role: list(one.argv) for one in self.members}

    def fallen(self) -> str | None:
        """Which of the stack's processes has ended though nobody asked it to; None if all live."""
        for process in self.members:
            code = process.exit_code()
            if code is not None:
                how = how_it_ended(code)
                return f"the {process.role} ended by itself ({how}): {process.last_words()}"
        return None

    def upstream_summary(self) -> UpstreamSummary | None:
        """What the upstream says of itself; None where there is none, or none any more, or where
        it has served others before."""
        if self.upstream_url is None or self.attached:
            return None
        try:
            with _open(f"{self.upstream_url}/stats", timeout=5) as answer:
                return TypeAdapter(UpstreamSummary).validate_json(answer.read())
        except (OSError, ValidationError):
            return None

    def descriptors_limit(self, otherwise: int) -> int:
        """The server's own soft limit, where the system tells."""
        for server in self.family("server")[:1]:
            if hasattr(server, "rlimit"):
                return int(server.rlimit(psutil.RLIMIT_NOFILE)[0])
        return otherwise

    def log_text(self) -> str:
        """What the logs have said since the stack became ours to watch."""
        return "".join(
            path.read_text(errors="replace")[self.told_before.get(path, 0) :]
            for path in sorted(self.folder.glob("*.log"))
        )

    def end(self) -> None:
        """The database after those who are connected to it."""
        asking = [each for each in self.processes if each.role != "database"]
        end_all(list(reversed(asking)))
        end_all([each for each in self.processes if each.role == "database"])
        if self.database is not None:
            self.database.clean()
        (self.folder / FILE).unlink(missing_ok=True)
        access = self.folder / ACCESS_FILE
        if access.exists():  # one line is like another
            os.truncate(access, min(access.stat().st_size, ACCESS_KEPT_BYTES))


def start_stack(
    scenario: Scenario,
    port: int,
    folder: Path,
    interruption: Interruption,
    host: str = plan.HOST,
) -> Stack:
    """Starts upstream and server and waits until both answer. Raises Problem with their last
    words if they do not, CellInterruptedError on an interruption; then nothing is left running."""
    (folder / "journals").mkdir(parents=True, exist_ok=True)
    if scenario.url is not None:
        return given_stack(scenario, scenario.url, folder)
    stack = Stack(port, folder, None, host=host)
    try:
        if scenario.upstream is not None:
            stack.upstream_url = start_upstream(stack, scenario, interruption)
        if scenario.database is not None:
            stack.database = start_database(stack, scenario.database, interruption)
        start_server(stack, scenario, interruption)
    except BaseException:
        stack.end()
        raise
    return stack


def given_stack(scenario: Scenario, url: str, folder: Path) -> Stack:
    """A server of the user's: looked at from outside, where it runs on this machine. Raises Problem
    if nobody answers there."""
    host, port = reached(scenario, url)
    stack = Stack(port, folder, None, host=host)
    for pid in listeners(port) if is_own(host) else ():
        argv = tuple(psutil.Process(pid).cmdline()[:1])
        stack.attached.append(Attached("server", pid, argv))
    return stack


def reached(scenario: Scenario, url: str) -> tuple[str, int]:
    """Host and port, where somebody listens. Raises Problem where nobody does."""
    parts = urlsplit(url)
    host, port = parts.hostname or plan.HOST, parts.port or 80
    try:
        socket.create_connection((host, port), timeout=READY_WITHIN_S / 6).close()
    except (OSError, UnicodeError) as error:
        raise cannot_run(
            f"{scenario.contender}: nobody answers at {url} ({error}); start that server first"
        ) from error
    return host, port


def start_server(stack: Stack, scenario: Scenario, interruption: Interruption) -> None:
    database_env = stack.database.env if stack.database else {}
    env = plan.app_environment(scenario, stack.upstream_url, database_env)
    if scenario.file_mib is not None:
        env["APP_FILE"] = str(write_file(stack.folder / FILE, scenario.file_mib))
    command = server_command(stack, scenario, env)
    with access_log(stack, scenario.server.access_log) as stdout:
        server = Process(command, stack.folder / "server.log", os.environ, stdout=stdout)
    stack.processes.append(server)
    workers = WorkerWatch(stack.journals)

    def ready() -> bool:
        workers.look()
        all_there = not scenario.server.is_python or len(workers.alive()) >= scenario.server.workers
        return all_there and answers(stack.port, stack.host)

    wait_until(ready, server, interruption)
    server.family()


def write_file(path: Path, size_mib: int) -> Path:
    """Of bytes that no file system stores in less room."""
    piece = os.urandom(MIB)
    with path.open("wb") as file:
        for _ in range(size_mib):
            file.write(piece)
    return path


@contextmanager
def access_log(stack: Stack, kind: AccessLog) -> Iterator[int | None]:
    """Where the server's standard output goes: into a file, or through a slow terminal into it."""
    if kind == "off":
        yield None
        return
    with (stack.folder / ACCESS_FILE).open("wb") as file:
        if kind == "file":
            yield file.fileno()
            return
        reading, writing = os.pipe()
        argv = (
            sys.executable,
            "-I",
            str(ROOT / "stress" / "slow_terminal.py"),
            str(TERMINAL_BYTES_PER_S),
        )
        command = plan.Command("terminal", argv, stack.folder, {})
        log = stack.folder / "terminal.log"
        stack.processes.append(Process(command, log, os.environ, reading, file.fileno()))
        os.close(reading)
        yield writing
        os.close(writing)


def server_command(stack: Stack, scenario: Scenario, env: dict[str, str]) -> plan.Command:
    if scenario.server.is_python:
        return plan.server_command(
            scenario, ROOT, sys.executable, stack.port, stack.journals, env, stack.host
        )
    program = peer_program(scenario.server.kind)
    return plan.peer_command(scenario, ROOT, program, stack.port, env, stack.host)


def start_database(stack: Stack, database: Database, interruption: Interruption) -> Filled:
    """One with its tables, that nobody has asked yet."""
    if database.kind == "sqlite":
        return databases.sqlite_file(stack.folder)
    given = os.environ.get(databases.URL_VARIABLE)
    if given:
        return databases.made_on(given)
    databases.forget_libpqs_variables()
    port, password = free_port(0), secrets.token_hex(16)
    stack.database = databases.embedded({}, "", stack.folder)  # whatever happens, it is cleaned
    command = databases.postgres_command(stack.folder, port, password)
    process = Process(command, stack.folder / "database.log", os.environ)
    stack.processes.append(process)
    url = databases.url_of(port, password)
    wait_until(lambda: databases.is_ready(url), process, interruption)
    return databases.filled(url, stack.folder)


def start_upstream(stack: Stack, scenario: Scenario, interruption: Interruption) -> str:
    """Returns its URL; the upstream picks its port itself and says which."""
    assert scenario.upstream is not None
    argv = plan.upstream_argv(
        upstream_program(scenario.upstream.kind),
        stack.upstream_log,
        round((scenario.delay_s or 0) * 1000),
    )
    log = stack.folder / "upstream.log"
    process = Process(plan.Command("upstream", argv, ROOT, {}), log, os.environ)
    stack.processes.append(process)
    said: list[str] = []

    def ready() -> bool:
        said[:] = [line for line in log.read_text().splitlines() if '"listening"' in line]
        return bool(said)

    wait_until(ready, process, interruption)
    return f"http://{json.loads(said[0])['listening']}"


def upstream_program(kind: str) -> tuple[str, ...]:
    if kind == "python":
        return sys.executable, "-m", "slow_upstream"
    return (built(ROOT / "slow_upstream" / "build.sh", "--upstream python needs no Go"),)


def peer_program(kind: str) -> str:
    """The path of a compiled server, built where it is not yet. Raises Problem."""
    return built(ROOT / "peers" / kind / "build.sh", "the scenarios without it can still run")


def built(script: Path, otherwise: str) -> str:
    """What the script says it has built. Raises Problem with its words where it can't."""
    with subprocess.Popen(
        ("sh", str(script)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as building:
        try:
            said, complaint = building.communicate(timeout=LONG_BUILD_S)
        except subprocess.TimeoutExpired:
            what = script.parent.name
            print(f"study: building {what} (once, up to some minutes) ...", file=sys.stderr)
            said, complaint = building.communicate()
    if building.returncode != 0:
        raise cannot_run(f"{complaint.strip()}; {otherwise}")
    return said.strip()


def wait_until(ready: Callable[[], bool], process: Process, interruption: Interruption) -> None:
    """Polls until ready. Raises Problem when the process ends or takes too long."""
    deadline_s = monotonic() + READY_WITHIN_S
    while not ready():
        if interruption.reason:
            raise CellInterruptedError(interruption.reason)
        code = process.exit_code()
        if code is not None or monotonic() > deadline_s:
            how = "was not ready after 30 s" if code is None else f"ended ({how_it_ended(code)})"
            raise cannot_run(
                f"the {process.role} {how}: {process.last_words()} (all of it: {process.log})"
            )
        sleep(POLL_S)


def answers(port: int, host: str = plan.HOST) -> bool:
    try:
        with _open(f"http://{host}:{port}/ping", timeout=2) as answer:
            return int(answer.status) == 200
    except OSError:
        return False
