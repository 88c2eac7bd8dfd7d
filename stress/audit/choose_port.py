"""Chooses the port of a service that listens on several."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from scenarios.errors import UserError, build_cannot_run_error
from stress.audit.command import AuditedCommand
from stress.audit.listening import Listener, build_url
from stress.audit.reports import ProcessReport

UNIX_SOCKET = re.compile(r"--uds\b|(.*=|-b)?unix:")
"""An argument that gives a server a Unix socket."""


def drop_other_ports(
    command: AuditedCommand,
    listeners: list[Listener],
    reports: list[ProcessReport],
    port: int | None,
) -> list[Listener]:
    """Drop the ports that an app opened on its own, such as for metrics, if its server has only
    Unix sockets: its hook knows that, or the command says it. A proxy's port in another process
    stays, and the given one."""
    in_words = any(map(UNIX_SOCKET.match, command.argv))
    unknown = {each.pid for each in reports if not each.unix and not each.listens}
    unix = {each.pid for each in reports if each.unix and not each.listens}
    worded = find_worded_ports(command, listeners)
    return [
        each
        for each in listeners
        if each.port == port
        or not (each.pid in unix or (in_words and each.pid in unknown and each.port not in worded))
    ]


def find_url(
    command: AuditedCommand,
    listeners: list[Listener],
    reports: list[ProcessReport],
    port: int | None,
) -> str:
    """Return the URL of the given port, otherwise of the ASGI server's. Raises UserError."""
    ports = choose_ports(command, listeners, reports) if port is None else {port}
    chosen = [each for each in listeners if each.port in ports]
    listens = ", ".join(map(str, sorted({each.port for each in listeners})))
    if not chosen:
        raise UserError(f"`{command}` does not listen on port {port}; it listens on {listens}")
    if len(ports) > 1:
        raise UserError(f"`{command}` listens on ports {listens}; choose one with --port N")
    if (url := build_url(chosen)) is None:
        raise build_cannot_run_error(f"`{command}` listens on port {listens}, but does not respond")
    return url


def choose_ports(
    command: AuditedCommand, listeners: list[Listener], reports: list[ProcessReport]
) -> set[int]:
    """Choose by the hook's ports, then by the socket's process, then by the command's words."""
    known = {port for each in reports for _, port in each.listens}
    attached = {each.pid for each in reports}
    listened = {each.port for each in listeners}
    of_app = {each.port for each in listeners if each.pid in attached}
    chosen = listened
    for narrower in (known, of_app, find_worded_ports(command, listeners)):
        if len(chosen) > 1 and chosen & narrower:
            chosen = chosen & narrower
    return chosen


def find_worded_ports(command: AuditedCommand, listeners: list[Listener]) -> set[int]:
    return {each.port for each in listeners if re.search(rf"\b{each.port}\b", str(command))}


def warn_of_other_ports(
    url: str, reports: Sequence[ProcessReport], port: int | None
) -> Iterator[str]:
    """Yield a sentence for each other port of the service's ASGI servers, unless one was given."""
    ports = {other for each in reports for _, other in each.listens} - {urlsplit(url).port}
    for other in sorted(ports) if port is None else ():
        yield f"The service also serves port {other}, which gets no request: choose it by --port."
