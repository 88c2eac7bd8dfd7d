"""The options of a load from other machines, and the checks of their combinations."""

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from scenarios.errors import UserError
from scenarios.options import Setting, check_bounds, list_given_options
from scenarios.units import DURATION, Second
from stress.machine import find_free_port, list_own_addresses
from stress.plan import HOST

if TYPE_CHECKING:
    from stress.runtime import Distribution

MOST_WORKERS = 64
WAIT_S = 60.0


GROUP = "Other machines"


@dataclass(frozen=True, slots=True)
class DistributionOptions:
    """The options as typed; None: not given."""

    distributed: Annotated[
        bool,
        Setting("Load from other machines, each with `study load-worker`.", group=GROUP),
    ] = False
    expect_workers: Annotated[
        int | None,
        Setting(
            "Number of load workers to wait for; required with --distributed.",
            bounds=(1, MOST_WORKERS),
            group=GROUP,
        ),
    ] = None
    listen: Annotated[
        str | None,
        Setting(
            "This machine's address for the other machines; loopback if not given. Anyone who "
            "can reach it can use the server and the master: use it only on a trusted network.",
            group=GROUP,
            metavar="ADDRESS",
        ),
    ] = None
    master_port: Annotated[
        int | None,
        Setting("Port for the load workers; 5557 if not given.", bounds=(1, 65535), group=GROUP),
    ] = None
    wait_s: Annotated[
        Second | None,
        Setting(
            "Maximum wait for the load workers; 60s if not given.",
            unit=DURATION,
            bounds=(1, 3600),
            name="--wait-workers",
            group=GROUP,
        ),
    ] = None


def build_distribution(
    asked: DistributionOptions,
    load_processes: int | None,
    served: bool,
    own: frozenset[str] | None = None,
) -> "Distribution | None":
    """Return None for a load from this machine. own: this machine's addresses, looked up if None.
    Raises UserError that names the option."""
    from stress.runtime import MASTER_PORT, Distribution

    if not asked.distributed:
        for option, _ in list_given_options(asked):
            raise UserError(
                f"{option.name} is for load from other machines: give --distributed too"
            )
        return None
    reject_own_load(load_processes, served)
    if asked.expect_workers is None:
        raise UserError("--distributed: give --expect-workers N too, the number of load workers")
    check_bounds(asked)
    wait_s = WAIT_S if asked.wait_s is None else asked.wait_s
    return Distribution(
        asked.expect_workers,
        check_own_address(asked.listen or HOST, list_own_addresses() if own is None else own),
        MASTER_PORT if asked.master_port is None else asked.master_port,
        wait_s,
    )


def reject_own_load(load_processes: int | None, served: bool) -> None:
    if load_processes is not None:
        raise UserError(
            "--load-processes: with --distributed the other machines run the load processes; give "
            "--expect-workers N instead"
        )
    if served:
        raise UserError(
            "--served: with --distributed each cell starts a server; leave one of them out"
        )


def check_own_address(text: str, own: frozenset[str]) -> str:
    """Return an IPv4 address of this machine, which other machines can use. Raises UserError."""
    try:
        found = str(ipaddress.IPv4Address(text))
    except ValueError:
        found = ""
    if found in own or found.startswith("127."):
        return found
    raise UserError(
        f"--listen {text}: give an IPv4 address of this machine ({', '.join(sorted(own))})"
    )


def check_ports(distribution: "Distribution", server_port: int) -> None:
    """Raises UserError if the server's or the master's port is taken, or both are the same."""
    if server_port == distribution.master_port:
        raise UserError(f"--master-port {server_port} is also the server's port: choose another")
    find_free_port(server_port, distribution.listen)
    find_free_port(distribution.master_port, distribution.listen, "--master-port")
