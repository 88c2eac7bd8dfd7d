"""A request as a user's file names it, before it is known whether it may be sent."""

from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from stress.audit.ask import WEBSOCKET, Ask, Headers
from stress.audit.example_values import CannotFillError
from stress.audit.fill_operation import check_header
from stress.audit.parse_requests import MOST_BODY, NOT_SENT, TOKEN, guess_type

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
OF_CONNECTION = frozenset(
    {
        "upgrade", "keep-alive", "te", "trailer", "expect", "proxy-authorization",
        "proxy-connection", "sec-websocket-key", "sec-websocket-version",
        "sec-websocket-extensions", "sec-websocket-accept",
    }
)  # fmt: skip
"""Headers of the connection that the request was made on."""
OF_CACHE = frozenset({"if-none-match", "if-modified-since"})
"""A browser sends them because it has the answer: with them the app would do no work."""
PRINTABLE = "".join(map(chr, range(33, 127)))


@dataclass(frozen=True, slots=True)
class FileRequest:
    """url: absolute, or a path where the file names no host; "" where it cannot be read. problem:
    why it cannot be sent; "" where it can. Its repr shows no secret."""

    method: str
    url: str = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """host: "name:port", without the port where it is the usual one; "" where there is none. path:
    as it may be shown. target: with its query."""

    host: str
    path: str
    target: str = field(repr=False)


def parse_address(request: FileRequest) -> Address:
    """Raises CannotFillError."""
    if not request.url and request.problem:
        raise CannotFillError(request.problem)
    if not TOKEN.match(request.method):
        raise CannotFillError("its method is none")
    try:
        parts = urlsplit(request.url)
        port = parts.port
    except ValueError as error:
        raise CannotFillError("its address is none") from error
    if parts.scheme and (parts.scheme not in PORTS or not parts.hostname):
        raise CannotFillError("its address is not one of HTTP")
    usual = port is None or port == PORTS.get(parts.scheme)
    host = escape(parts.hostname or "") + ("" if usual else f":{port}")
    path, query = escape(parts.path or "/"), escape(parts.query)
    if not path.startswith("/") or path.startswith("//"):
        raise CannotFillError("its path does not begin with one /")
    return Address(host, path, f"{path}?{query}" if query else path)


def escape(text: str) -> str:
    """As a browser does it: what is escaped already stays."""
    return quote(text, safe=PRINTABLE)


def choose_method(request: FileRequest) -> str:
    """Browsers and editors know a websocket by its address."""
    return WEBSOCKET if request.url.startswith(("ws:", "wss:")) else request.method


def build_ask(request: FileRequest, address: Address, file_name: str) -> Ask:
    """Raises CannotFillError."""
    if request.problem:
        raise CannotFillError(request.problem)
    if request.body is not None and len(request.body) > MOST_BODY:
        raise CannotFillError(f"its body has more than {MOST_BODY} bytes")
    method, headers = choose_method(request), choose_headers(request)
    has_type = any(name.lower() == "content-type" for name, _ in headers)
    if request.body is not None and method != WEBSOCKET and not has_type:
        headers = (*headers, ("Content-Type", guess_type(request.body)))
    return Ask(method, address.target, address.path, headers, request.body, file_name, "file")


def choose_headers(request: FileRequest) -> Headers:
    """What belongs to a request of its own. Several cookie headers, as HTTP/2 has them, are one.
    Raises CannotFillError."""
    dropped = NOT_SENT | OF_CONNECTION | OF_CACHE
    found = [
        (name, check_header(value.strip()))
        for name, value in request.headers
        if TOKEN.match(name) and name.lower() not in dropped
    ]
    cookies = [value for name, value in found if name.lower() == "cookie"]
    rest = [each for each in found if each[0].lower() != "cookie"]
    return (*rest, *([("Cookie", "; ".join(cookies))] if cookies else ()))
