"""Finds the ports of a service from the sockets of its processes."""

import contextlib
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from urllib.parse import urlsplit

import psutil

from stress.machine import may_have_ipv4_listener

CONNECT_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Listener:
    """A process with a listening TCP socket; a forked worker shares its parent's."""

    pid: int
    host: str
    port: int


def list_listeners(processes: Iterable[psutil.Process]) -> list[Listener]:
    found: list[Listener] = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found += [
                Listener(process.pid, each.laddr.ip, each.laddr.port)
                for each in process.net_connections("tcp")
                if each.status == psutil.CONN_LISTEN
            ]
    return found


def build_url(listeners: Iterable[Listener]) -> str | None:
    """Return a URL such as `http://127.0.0.1:8000` for one port; None if no address responds."""
    listeners = sorted(listeners, key=lambda each: ":" in each.host)  # IPv4 first
    port, hosts = listeners[0].port, dict.fromkeys(each.host for each in listeners)
    for host in chain.from_iterable(list_names(each, port) for each in hosts):
        with contextlib.suppress(OSError), socket.create_connection((host, port), CONNECT_WITHIN_S):
            return f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return None


def list_names(host: str, port: int) -> tuple[str, ...]:
    """Return where a listening address is reached. An app may accept only the Host 127.0.0.1, which
    belongs to another program if a socket on :: has IPV6_V6ONLY."""
    if host == "::":
        return ("::1",) if may_have_ipv4_listener(port) else ("127.0.0.1", "::1")
    return ("127.0.0.1" if host == "0.0.0.0" else host,)


def speaks_tls(url: str) -> bool:
    """Return True if the server accepts a TLS handshake, which a plain HTTP server refuses."""
    place = urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent inside it
    address = place.hostname or "", place.port or 0
    try:
        with socket.create_connection(address, CONNECT_WITHIN_S) as plain:
            context.wrap_socket(plain).close()
    except ssl.SSLError as error:  # an alert is TLS too: the server wants a client certificate
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
    return True
