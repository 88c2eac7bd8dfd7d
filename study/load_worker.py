"""`study load-worker`: sends load for a study on another machine, cell after cell."""

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from scenarios.errors import ALL_WELL, INTERRUPTED, UserError, build_cannot_run_error
from scenarios.units import Second
from stress.interruption import Interruption, record_signals
from stress.last_words import MOST_LOG_BYTES, read_end
from stress.load.command import build_load_worker_command
from stress.processes import Process, describe_exit_code
from stress.runtime import MASTER_PORT

POLL_S = 0.1
AT_ONCE_S = 60.0
"""Locust tries for five minutes to reach a master: an earlier end without one means that it cannot
run."""


@dataclass(frozen=True, slots=True)
class WorkerRun:
    """One process of Locust's worker. reported: its JSON output. code: None if we ended it."""

    reported: Mapping[str, object]
    last_words: str
    code: int | None
    lasted_s: Second


def run_load_worker(master: str, idle_s: Second) -> int:
    """Return the exit code. Raises UserError for a bad address or if a master refuses us."""
    host, port = resolve_master(master)
    with (
        record_signals() as interruption,
        TemporaryDirectory(prefix="study-load-worker-") as folder,
    ):
        print_status(f"waiting for a study at {host}:{port} (Ctrl-C to stop)")
        heard_s = monotonic()
        while True:
            turn = run_worker_once(Path(folder), host, port, interruption, heard_s + idle_s)
            if line := format_worker_run(turn):
                print_status(line)
            if interruption.reason:
                print_status(f"ended ({interruption.reason})")
                return INTERRUPTED
            if "heard" in turn.reported:
                heard_s = monotonic()
            elif monotonic() >= heard_s + idle_s:
                print_status(f"no study replied for {idle_s:g} s; ended")
                return ALL_WELL
            check_worker_run(turn, f"{host}:{port}")


def resolve_master(master: str) -> tuple[str, int]:
    """Raises UserError if it is not HOST[:PORT], or the host has no address."""
    host, colon, port_text = master.partition(":")
    is_port = re.fullmatch(r"[0-9]{1,5}", port_text) and 1 <= int(port_text) <= 65535
    if not host or (colon and not is_port):
        raise UserError(f"--master {master!r}: give HOST or HOST:PORT, such as 192.0.2.10:5557")
    port = int(port_text) if colon else MASTER_PORT
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a part is empty or too long
        raise UserError(f"--master {master}: cannot resolve {host} ({error})") from error
    return str(found[0][4][0]), port


def run_worker_once(
    folder: Path, host: str, port: int, interruption: Interruption, idle_until_s: Second
) -> WorkerRun:
    """Run Locust's worker until it ends, an interruption, or no master until `idle_until_s`."""
    log = folder / "load.log"
    log.unlink(missing_ok=True)
    begun_s = monotonic()
    process = Process("load", log).start(build_load_worker_command(folder, host, port))
    try:
        while process.get_exit_code() is None and not interruption.reason:
            if monotonic() >= idle_until_s and "heard" not in read_reported_facts(log):
                break
            sleep(POLL_S)
        code = process.get_exit_code()
    finally:
        process.end()
    return WorkerRun(
        read_reported_facts(log), process.read_last_words(), code, monotonic() - begun_s
    )


def read_reported_facts(log: Path) -> dict[str, object]:
    """Merge the JSON lines of the log."""
    reported: dict[str, object] = {}
    for line in read_end(log, MOST_LOG_BYTES).splitlines():
        if line.startswith('{"') and line.endswith("}"):
            reported |= json.loads(line)
    return reported


def format_worker_run(turn: WorkerRun) -> str:
    reported = turn.reported
    if "cell" in reported:
        return (
            f"cell {reported['cell']}: {reported['users']} users, "
            f"{reported['completed']} answered, {reported['failed']} failed"
        )
    if "heard" in reported and turn.code == 0 and "refused" not in reported:
        return "a cell ended that had enough load workers, or that did not start"
    return ""


def check_worker_run(turn: WorkerRun, master: str) -> None:
    """Raises UserError if the next turn would fail the same way."""
    if "refused" in turn.reported:
        raise build_cannot_run_error(
            f"the study at {master} refused this machine: it has {turn.reported['refused']}; use "
            "the same revision of this project on both and run setup.sh here"
        )
    if "heard" not in turn.reported and turn.code is not None and turn.lasted_s < AT_ONCE_S:
        raise build_cannot_run_error(
            f"the load process ended ({describe_exit_code(turn.code)}): {turn.last_words}"
        )
    if turn.code and "heard" in turn.reported:
        print_status(f"the load process ended ({describe_exit_code(turn.code)}): {turn.last_words}")


def print_status(line: str) -> None:
    print(f"load-worker: {line}", flush=True)
