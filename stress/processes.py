"""Starts and ends the processes of a run, and leaves none behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Self

import psutil

from scenarios.errors import build_cannot_run_error
from stress.interruption import Interruption
from stress.last_words import read_last_words
from stress.plan import Command
from stress.servers import load_adapters

LAUNCHER = Path(__file__).with_name("launch.py")
GENTLE_S = 2.0
"""Time for a blocked worker to end when asked; then it gets SIGKILL."""
ENDS_WITHIN_S = 5.0
"""Time for a process to end after SIGKILL; one of another user does not get it."""
READY_WITHIN_S = 30.0
TOO_LATE = "was not ready after 30 s"
LOOK_EVERY_S = 0.02
PROBES = "ASGI_PROBE_"
"""Begins the probe's own variables, such as ASGI_PROBE_STACKS=0."""
FOREIGN = ("LOCUST_", "APP_", "PROBE_", PROBES, "AVT_", "STUDY_", "PG")
set_aside: dict[str, str] = {}
"""The user's variables that this process must not have; the user's own programs get them."""
started: set[int] = set()
"""Pids of the programs that this process has started, each the leader of a session."""
PYTHON = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8", "PYTHONIOENCODING",
    "PYTHONCOERCECLOCALE", "PYTHON_GIL",
)  # fmt: skip
"""Python's own variables that a program keeps: those that locate code or name an encoding, and one
whose effect is in each record. Others, such as PYTHONASYNCIODEBUG, make a server slow."""
DEBUGGING = {
    "PYTHONASYNCIODEBUG": ".+", "PYTHONDEVMODE": "(?!0$).+", "PYTHONMALLOC": ".*debug",
    "PYTHONTRACEMALLOC": "(?!0$).+",
}  # fmt: skip
"""The values that make an app slow; a user's app keeps them. With three of these variables, 358
requests/s were answered instead of 4,595."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "web_concurrency")


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Drop the variables that would change a server or a client unnoticed."""
    of_servers = [prefix for each in load_adapters().values() for prefix in each.variables]
    return {
        key: value
        for key, value in environment.items()
        if not key.startswith((*FOREIGN, *of_servers))
        and key.lower() not in PROXIES
        and (key in PYTHON or not key.startswith("PYTHON"))
    }


def choose_inherited(command: Command) -> dict[str, str]:
    """Return the variables of this process that the program inherits. A user's measured server gets
    all but those of the probe, which would record less or open a port."""
    if not command.inherits_all:
        return clean_environment(os.environ)
    return {
        key: value
        for key, value in {**set_aside, **os.environ}.items()
        if command.role != "server" or not key.startswith(PROBES)
    }


def list_debugging(environment: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that are set to such a value."""
    slow = DEBUGGING.items()
    return [name for name, value in slow if re.fullmatch(value, environment.get(name, ""))]


def bind_to_us(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the command of a program that ends with this process, however that ends (Linux)."""
    return (sys.executable, "-I", str(LAUNCHER), str(os.getpid()), *argv)


class Process:
    """A program and its children, in their own session: Ctrl-C in the terminal reaches only the
    runner, which then ends them in order. It can be started later, and again after it has ended."""

    def __init__(self, role: str, log: Path) -> None:
        self.role = role
        self.log = log
        self.argv: tuple[str, ...] = ()
        self._popen: subprocess.Popen[bytes] | None = None
        self._end_signal = signal.SIGTERM
        self._known: set[psutil.Process] = set()

    def start(
        self, command: Command, stdin: int = subprocess.DEVNULL, stdout: int | None = None
    ) -> Self:
        """Start the program. The caller closes the descriptors `stdin` and `stdout`. The log gets
        stderr, and stdout if none is given. Raises UserError."""
        self.argv, self._end_signal = command.argv, command.end_signal
        with self.log.open("ab") as output:
            try:
                self._popen = subprocess.Popen(
                    bind_to_us(command.argv),
                    cwd=command.cwd,
                    env={**choose_inherited(command), **command.env},
                    stdin=stdin,
                    stdout=output if stdout is None else stdout,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise build_cannot_run_error(f"cannot start the {self.role}: {error}") from error
        started.add(self.pid)
        return self

    @property
    def pid(self) -> int:
        """The pid; 0 before the start."""
        return 0 if self._popen is None else self._popen.pid

    def get_exit_code(self) -> int | None:
        return None if self._popen is None else self._popen.poll()

    def list_processes(self) -> list[psutil.Process]:
        """List the live processes, and remember them: if the parent is killed, its children are
        orphans that cannot be found through it."""
        found = [] if self._popen is None else list_process_tree(self.pid)
        self._known.update(found)
        return found

    def read_last_words(self) -> str:
        return read_last_words(self.log)

    def wait_until(self, ready: Callable[[], bool], interruption: Interruption) -> None:
        """Wait until ready. Raises UserError if it ends or takes too long, CellInterruptedError."""
        deadline_s = monotonic() + READY_WITHIN_S
        while not ready():
            interruption.check()
            code = self.get_exit_code()
            if code is not None or monotonic() > deadline_s:
                how = f"ended ({describe_exit_code(code)})" if code is not None else TOO_LATE
                raise build_cannot_run_error(
                    f"the {self.role} {how}: {self.read_last_words()} (full log: {self.log})"
                )
            sleep(LOOK_EVERY_S)

    def request_end(self) -> None:
        if self._popen is not None:
            with contextlib.suppress(PermissionError):  # it runs as another user
                self._popen.send_signal(self._end_signal)

    def end(self, gentle_s: float = GENTLE_S) -> None:
        """Ask the program to end; after `gentle_s`, send SIGKILL to its remaining processes."""
        if self._popen is None:
            return
        self.list_processes()
        self.request_end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(gentle_s)
        self.list_processes()
        if self._popen.poll() is None:
            with contextlib.suppress(PermissionError, subprocess.TimeoutExpired):
                self._popen.kill()
                self._popen.wait(ENDS_WITHIN_S)
        self._known.update(list_session_processes(self.pid))
        others = [each for each in self._known if each.pid != self.pid and each.is_running()]
        for each in others:  # psutil compares start times, so a reused pid survives
            with contextlib.suppress(psutil.Error):
                each.kill()
        psutil.wait_procs(others, timeout=ENDS_WITHIN_S)


@dataclass(frozen=True, slots=True)
class ExternalProcess:
    """A program that the user started and will end; the run only monitors it."""

    role: str
    pid: int
    argv: tuple[str, ...]

    def get_exit_code(self) -> int | None:
        """Return 0 if it has ended; only its parent can read the exit code."""
        return None if psutil.pid_exists(self.pid) else 0

    def list_processes(self) -> list[psutil.Process]:
        return list_process_tree(self.pid)

    def read_last_words(self) -> str:
        return "its log is not available"


def list_process_tree(pid: int) -> list[psutil.Process]:
    """Return the process and its live descendants; empty once it has ended."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def list_session_processes(leader: int) -> list[psutil.Process]:
    """Return all processes of the session that a started program leads, with orphans. The kernel
    does not reuse the session's number while one of them lives."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(OSError):
            if os.getsid(each.pid) == leader:
                found.append(each)
    return found


def describe_exit_code(code: int) -> str:
    """Return "exit code N", or "killed by" and the signal's name. Most real-time signals have no
    name."""
    if code >= 0:
        return f"exit code {code}"
    names = {each.value: each.name for each in signal.Signals}
    return f"killed by {names.get(-code, f'signal {-code}')}"


def describe_end(process: Process | ExternalProcess) -> str | None:
    """Describe an end that was not requested; None while the process lives."""
    if (code := process.get_exit_code()) is None:
        return None
    how = describe_exit_code(code)
    return f"the {process.role} ended by itself ({how}): {process.read_last_words()}"


def end_all(processes: list[Process]) -> None:
    """Ask all processes to end at once, then end each, so that the waits overlap."""
    for process in processes:
        process.request_end()
    for process in processes:
        process.end()
