"""What the machine must offer before a cell starts: ports and file descriptors."""

import contextlib
import resource
import socket
import sys
import time
from dataclasses import dataclass

import psutil

from scenarios.errors import UserError, build_cannot_run_error
from scenarios.units import Second
from stress.plan import HOST


def raise_descriptor_limit(needed: int, wanted: int = 0) -> int:
    """Raises this process's soft limit, which its children inherit, to what is wanted as far as
    may be; returns the limit in force.

    Raises UserError (exit code 3) where the hard limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise build_cannot_run_error(
            f"{needed} file descriptors are needed and the hard limit is {hard}: "
            f"raise it (ulimit -Hn {needed}), or ask for fewer users (--users)"
        )
    most = max(needed, wanted) if hard == resource.RLIM_INFINITY else min(hard, max(needed, wanted))
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most)


def find_free_port(port: int, host: str = HOST, option: str = "--port") -> int:
    """The port, or one that the system picks for 0. Raises UserError if somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise UserError(f"{option} {port}: not allowed here; choose one above 1023") from error
        except OSError as error:
            raise build_cannot_run_error(
                f"port {port} is taken{describe_port_owner(port)}: "
                "end that, or choose another with "
                f"{option} N{' (0 picks a free one)' if option == '--port' else ''}"
            ) from error
        return int(probe.getsockname()[1])


def describe_port_owner(port: int) -> str:
    """ " by NAME (pid N)" where the system tells."""
    for pid in list_listening_pids(port)[:1]:
        with contextlib.suppress(psutil.Error):
            return f" by {psutil.Process(pid).name()} (pid {pid})"
    return ""


def is_own_address(host: str) -> bool:
    """Whether it is an address of this machine."""
    try:
        address = socket.gethostbyname(host)
    except OSError:
        return False
    return address.startswith("127.") or address in list_own_addresses()


def list_own_addresses() -> frozenset[str]:
    """This machine's, of IPv4."""
    return frozenset(
        each.address
        for interface in psutil.net_if_addrs().values()
        for each in interface
        if each.family == socket.AF_INET
    )


def list_listening_pids(port: int) -> list[int]:
    """Pids of those of this machine's processes that listen there, as far as the system tells: the
    oldest, and no child of another one."""
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


def read_cpu_s(process: psutil.Process) -> Second:
    """That it has used so far, to the nanosecond on Linux, where the rest of the system counts in
    steps of 10 ms. Raises psutil.NoSuchProcess.

    The clock's number is made as the kernel makes it for clock_getcpuclockid (include/linux/
    posix-timers_types.h: CPUCLOCK_SCHED of that pid).
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
    """CPU seconds so far: of all processes of the machine, and of this one with its children that
    have ended."""

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
    """What was used by programs that are not ours, once all children have ended."""
    now = mark_machine()
    others_s = (now.machine_s - since.machine_s) - (now.own_s - since.own_s)
    return max(0.0, others_s / (now.at_s - since.at_s))


def is_listening(port: int, host: str = HOST) -> bool:
    """Asks nothing but that a connection is accepted."""
    with socket.socket() as caller:
        return caller.connect_ex((host, port)) == 0
