"""Starts a stack: upstream, database and server, each ready before the next one starts."""

import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from scenarios.errors import build_cannot_run_error
from scenarios.model import APP_TARGETS, AccessLog, Database, Scenario
from stress import databases, plan
from stress.database_folder import create_database_folder
from stress.database_url import find_given_url
from stress.databases import PreparedDatabase
from stress.extras import check_extra
from stress.interruption import Interruption
from stress.machine import find_free_port, is_listening, is_own_address, list_listening_pids
from stress.places import PROBE_FOLDER, ROOT, find_specimen_folder, put_first
from stress.processes import READY_WITHIN_S, ExternalProcess
from stress.programs import find_upstream_program
from stress.resource_monitor import WorkerMonitor
from stress.servers import find_adapter
from stress.stack import ACCESS_FILE, FILE, Stack, is_answering

MIB = 2**20
TERMINAL_BYTES_PER_S = 65_536
"""About 1000 lines of an access log per second, with 60 bytes per line."""


def start_stack(
    scenario: Scenario,
    port: int,
    folder: Path,
    interruption: Interruption,
    host: str = plan.HOST,
) -> Stack:
    """Start upstream and server, and wait until both respond. Raises UserError with the last log
    line if they do not, CellInterruptedError on an interruption; then nothing is left running. The
    user's own server must already run."""
    (folder / "journals").mkdir(parents=True, exist_ok=True)
    if scenario.url is not None:
        # If it runs on this machine, its processes are sampled.
        host, port = resolve_target(scenario, scenario.url)
        pids = list_listening_pids(port) if is_own_address(host) else []
        found = [(pid, tuple(psutil.Process(pid).cmdline()[:1])) for pid in pids]
        attached = [ExternalProcess("server", pid, argv) for pid, argv in found]
        return Stack(port, folder, None, attached=attached, host=host)
    stack = Stack(port, folder, None, host=host)
    try:
        if scenario.upstream is not None:
            stack.upstream_url = start_upstream(stack, scenario, interruption)
        if scenario.database is not None:
            stack.database = start_database(stack, scenario.database, interruption)
        start_server(stack, scenario, interruption)
    except BaseException:
        stack.close()
        raise
    return stack


def resolve_target(scenario: Scenario, url: str) -> tuple[str, int]:
    """Return host and port. Raises UserError if nothing is listening there."""
    parts = urlsplit(url)
    host, port = parts.hostname or plan.HOST, parts.port or 80
    try:
        socket.create_connection((host, port), timeout=READY_WITHIN_S / 6).close()
    except (OSError, UnicodeError) as error:
        named = scenario.contender or scenario.name
        raise build_cannot_run_error(
            f"{named}: nothing is listening at {url} ({error}); start that server first"
        ) from error
    return host, port


def start_server(stack: Stack, scenario: Scenario, interruption: Interruption) -> None:
    database_env = stack.database.env if stack.database else {}
    env = plan.build_app_environment(scenario, stack.upstream_url, database_env)
    if scenario.file_mib is not None:
        # Random bytes, which no file system can compress.
        (stack.folder / FILE).write_bytes(os.urandom(MIB) * scenario.file_mib)
        env["APP_FILE"] = str(stack.folder / FILE)
    command = build_server_command(scenario, stack.host, stack.port, stack.journals, env)
    with open_access_log(stack, scenario.server.access_log) as stdout:
        server = stack.start(command, stdout=stdout)
    workers = WorkerMonitor(stack.journals)

    def ready() -> bool:
        workers.record_deaths()
        awaited = scenario.server.workers if scenario.server.is_python else 0
        if len(workers.alive) < awaited:
            return False
        if scenario.server.has_users_app:
            return is_listening(stack.port, stack.host)
        return is_answering(stack.port, stack.host)

    server.wait_until(ready, interruption)
    server.list_processes()


@contextmanager
def open_access_log(stack: Stack, kind: AccessLog) -> Iterator[int | None]:
    """Open the server's standard output: a file, or a slow terminal in front of it."""
    if kind == "off":
        yield None
        return
    with (stack.folder / ACCESS_FILE).open("wb") as file:
        if kind == "file":
            yield file.fileno()
            return
        reading, writing = os.pipe()
        program = ROOT / "stress" / "slow_terminal.py"
        argv = (sys.executable, "-I", str(program), str(TERMINAL_BYTES_PER_S))
        stack.start(plan.Command("terminal", argv, stack.folder, {}), reading, file.fileno())
        os.close(reading)
        yield writing
        os.close(writing)


def build_server_command(
    scenario: Scenario, host: str, port: int, journals: Path, app_env: Mapping[str, str]
) -> plan.Command:
    """Build the server's command; a Python server runs the probe too. Raises UserError."""
    server = scenario.server
    adapter = find_adapter(server.kind)
    probe = {
        "PYTHONPATH": put_first(PROBE_FOLDER) if server.has_users_app else str(PROBE_FOLDER),
        "PROBE_TARGET": APP_TARGETS.get(server.app, server.app),
        "PROBE_DIR": str(journals),
    }
    probe = probe if scenario.server.is_python else {}
    env = {**probe, **adapter.build_environment(server)}
    argv = adapter.build_argv(server, host, port)
    if server.has_users_app:  # its variables are the user's
        return plan.Command("server", argv, Path(server.folder), env, inherits_all=True)
    return plan.Command("server", argv, find_specimen_folder(), {**env, **app_env})


def start_database(
    stack: Stack, database: Database, interruption: Interruption
) -> PreparedDatabase:
    """Create a fresh database with its tables. Raises UserError."""
    check_extra("database", f"a scenario with {database.kind}")
    if database.kind == "sqlite":
        return databases.create_sqlite_database(stack.folder)
    given = find_given_url()
    if given:
        return databases.create_database_on(given)
    databases.clear_libpq_variables()
    port, password = find_free_port(0), secrets.token_hex(16)
    folder = create_database_folder()
    # Set before the start, so that a failed start deletes the data too.
    stack.database = PreparedDatabase({}, "", folder.remove)
    process = stack.start(databases.build_postgres_command(folder, port, password))
    url = databases.build_postgres_url(port, password)
    process.wait_until(lambda: databases.is_postgres_ready(url), interruption)
    return databases.fill_embedded_database(url, folder.remove)


def start_upstream(stack: Stack, scenario: Scenario, interruption: Interruption) -> str:
    """Start the upstream and return its URL; it picks its port and prints it."""
    assert scenario.upstream is not None
    program = find_upstream_program(scenario.upstream.kind)
    delay_ms = round((scenario.delay_s or 0) * 1000)
    argv = plan.build_upstream_argv(program, stack.upstream_log, delay_ms)
    process = stack.start(plan.Command("upstream", argv, ROOT, {}))

    def find_greetings() -> list[str]:
        return [
            line for line in process.log.read_text("utf-8").splitlines() if '"listening"' in line
        ]

    process.wait_until(lambda: bool(find_greetings()), interruption)
    return f"http://{json.loads(find_greetings()[0])['listening']}"
