"""Checks and reads the machine: ports, file descriptors and CPU time."""

import contextlib
import random
import resource
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from scenarios.errors import UserError, build_cannot_run_error
from scenarios.units import Second
from stress.plan import HOST

OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
LEAST_PORT, TRIES = 10_000, 20
WILDCARDS = ("0.0.0.0", "::")
"""All addresses of this machine."""


def raise_descriptor_limit(needed: int, wanted: int = 0) -> int:
    """Raise this process's soft limit, which its children inherit, up to `wanted` if allowed, and
    return the limit in force.

    Raises UserError (exit code 3) if the hard limit is below `needed`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise build_cannot_run_error(
            f"{needed} file descriptors are needed, but the hard limit is {hard}; "
            f"raise it (ulimit -Hn {needed}) or use fewer --users"
        )
    most = max(needed, wanted) if hard == resource.RLIM_INFINITY else min(hard, max(needed, wanted))
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most)


@contextlib.contextmanager
def raise_own_descriptor_limit(needed: int) -> Iterator[None]:
    """Raise the limit in the body only: what is started later inherits the user's. Raises UserError
    as raise_descriptor_limit does."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_descriptor_limit(needed)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def find_free_port(port: int, host: str = HOST, option: str = "--port") -> int:
    """Return the port; for 0, a free one. Raises UserError if it is taken."""
    for each in choose_ports() if port == 0 else ():
        with contextlib.suppress(OSError):
            return bind_for_a_moment(host, each)
    try:
        return bind_for_a_moment(host, port)
    except PermissionError as error:
        raise UserError(f"{option} {port}: not allowed here; choose one above 1023") from error
    except OSError as error:
        raise build_cannot_run_error(
            f"port {port} is taken{describe_port_owner(port)}; "
            "stop that program, or choose another port with "
            f"{option} N{' (0 picks a free one)' if option == '--port' else ''}"
        ) from error


def bind_for_a_moment(host: str, port: int) -> int:
    """Return the port, which the system picks for 0. Raises OSError if it is taken."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        return int(bound.getsockname()[1])


def choose_ports() -> list[int]:
    """Choose some ports that no outgoing connection gets: a load opens thousands, and one of them
    took the port of a server that was about to start. Empty if the range is not known."""
    with contextlib.suppress(OSError, ValueError):
        first = int(OUTGOING.read_text("ascii").split()[0])
        return random.sample(range(LEAST_PORT, first), TRIES)
    return []


def describe_port_owner(port: int) -> str:
    """Return " by NAME (pid N)" if the system shows the owner, else ""."""
    for pid in list_listening_pids(port)[:1]:
        with contextlib.suppress(psutil.Error):
            return f" by {psutil.Process(pid).name()} (pid {pid})"
    return ""


def is_own_address(host: str) -> bool:
    """Return True for an address of this machine, or a name of one."""
    try:
        found = {str(each[4][0]).partition("%")[0] for each in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):  # an unknown name, or no name at all
        return False
    own = {*list_own_addresses(), "::1", *WILDCARDS}
    return all(each.startswith("127.") or each in own for each in found)


def list_own_addresses() -> frozenset[str]:
    """Return this machine's addresses."""
    return frozenset(
        each.address.partition("%")[0]
        for interface in psutil.net_if_addrs().values()
        for each in interface
        if each.family in (socket.AF_INET, socket.AF_INET6)
    )


def list_listening_pids(port: int) -> list[int]:
    """Return the pids that listen on the port, as far as the system shows them, without child
    processes of each other."""
    try:
        found = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
            and connection.pid
        }
        return sorted(pid for pid in found if psutil.Process(pid).ppid() not in found)
    except psutil.Error:
        return []


def may_have_ipv4_listener(port: int) -> bool:
    """Return False if no program listens on the port at an IPv4 address; True also if the system
    does not say."""
    with contextlib.suppress(psutil.Error):
        return any(
            each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port
            for each in psutil.net_connections("tcp4")
        )
    return True


def read_cpu_s(process: psutil.Process) -> Second:
    """Return the CPU seconds used so far: on Linux to the nanosecond, where /proc counts in steps
    of 10 ms. Raises psutil.NoSuchProcess.

    The clock id is that of clock_getcpuclockid (source: include/linux/posix-timers_types.h,
    CPUCLOCK_SCHED of that pid).
    """
    if sys.platform != "linux":
        used = process.cpu_times()
        return float(used.user + used.system)
    try:
        return time.clock_gettime(~process.pid << 3 | 2)
    except OSError as error:
        raise psutil.NoSuchProcess(process.pid) from error


@dataclass(frozen=True, slots=True)
class MachineMark:
    """CPU seconds so far: of all processes on the machine, and of this one with its ended
    children."""

    at_s: Second
    machine_s: Second
    own_s: Second


def mark_machine() -> MachineMark:
    machine, own = psutil.cpu_times(), psutil.Process().cpu_times()
    return MachineMark(
        time.monotonic(),
        machine.user + machine.system + getattr(machine, "nice", 0.0),
        own.user + own.system + own.children_user + own.children_system,
    )


def compute_other_cores(since: MachineMark) -> float:
    """Return the cores that other programs used since then. All children must have ended."""
    now = mark_machine()
    others_s = (now.machine_s - since.machine_s) - (now.own_s - since.own_s)
    return max(0.0, others_s / (now.at_s - since.at_s))


def is_listening(port: int, host: str = HOST) -> bool:
    """Return True if the port accepts a connection. It sends nothing."""
    with socket.socket() as caller:
        return caller.connect_ex((host, port)) == 0
