"""The options of a load that comes from other machines, and what they mean together."""

import ipaddress
from dataclasses import dataclass

from scenarios.errors import UserError
from scenarios.units import Second
from stress.machine import find_free_port, list_own_addresses
from stress.plan import HOST
from stress.runtime import MASTER_PORT, Distribution

MOST_WORKERS = 64
SHORTEST_WAIT_S, LONGEST_WAIT_S = 1.0, 3600.0
WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class DistributionOptions:
    """As typed; None: not given."""

    distributed: bool
    expect_workers: int | None = None
    listen: str | None = None
    master_port: int | None = None
    wait_s: Second | None = None


def build_distribution(
    asked: DistributionOptions,
    load_processes: int | None,
    served: bool,
    own: frozenset[str] | None = None,
) -> Distribution | None:
    """None where the load is this machine's own. Raises UserError naming the option that does not
    fit. `own`: this machine's addresses, looked up if they are not given."""
    if not asked.distributed:
        reject_given_options(asked)
        return None
    reject_own_load(load_processes, served)
    if asked.expect_workers is None:
        raise UserError(
            "--distributed: give --expect-workers N too, how many load workers to expect"
        )
    found = Distribution(
        asked.expect_workers,
        check_own_address(asked.listen or HOST, list_own_addresses() if own is None else own),
        MASTER_PORT if asked.master_port is None else asked.master_port,
        WAIT_S if asked.wait_s is None else asked.wait_s,
    )
    check_between("--expect-workers", found.expect_workers, 1, MOST_WORKERS)
    check_between("--master-port", found.master_port, 1, 65535)
    check_between("--wait-workers", found.wait_s, SHORTEST_WAIT_S, LONGEST_WAIT_S, "s")
    return found


def reject_own_load(load_processes: int | None, served: bool) -> None:
    if load_processes is not None:
        raise UserError(
            "--load-processes: with --distributed the load processes are those of the other "
            "machines; give --expect-workers N instead"
        )
    if served:
        raise UserError(
            "--served: with --distributed each cell starts its own server; leave one out"
        )


def reject_given_options(asked: DistributionOptions) -> None:
    given = {
        "--expect-workers": asked.expect_workers,
        "--listen": asked.listen,
        "--master-port": asked.master_port,
        "--wait-workers": asked.wait_s,
    }
    for option, value in given.items():
        if value is not None:
            raise UserError(f"{option} is for a load from other machines: give --distributed too")


def check_between(option: str, value: float, lowest: float, highest: float, unit: str = "") -> None:
    if not lowest <= value <= highest:
        raise UserError(f"{option} {value:g}{unit}: give {lowest:g}{unit} to {highest:g}{unit}")


def check_own_address(text: str, own: frozenset[str]) -> str:
    """An IPv4 address of this machine: the other machines must be able to say it."""
    try:
        found = str(ipaddress.IPv4Address(text))
    except ValueError:
        found = ""
    if found in own or found.startswith("127."):
        return found
    raise UserError(
        f"--listen {text}: give an IPv4 address of this machine ({', '.join(sorted(own))})"
    )


def check_ports(distribution: Distribution, server_port: int) -> None:
    """Raises UserError where the server's or the master's is taken, or both are the same."""
    if server_port == distribution.master_port:
        raise UserError(f"--master-port {server_port} is the server's too: choose another for one")
    find_free_port(server_port, distribution.listen)
    find_free_port(distribution.master_port, distribution.listen, "--master-port")
