"""A request in a user's file, before the audit decides whether to send it."""

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
"""Headers of the original connection."""
OF_CACHE = frozenset({"if-none-match", "if-modified-since"})
"""Headers of a browser that has a cached response: with them, the app would do no work."""
PRINTABLE = "".join(map(chr, range(33, 127)))


@dataclass(frozen=True, slots=True)
class FileRequest:
    """url: absolute, or a path if the file has no host; "" if unreadable. problem: why it cannot be
    sent, else "". Its repr shows no secret."""

    method: str
    url: str = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """host: "name:port", without a default port; "" if there is none. path: may be shown.
    target: with the query."""

    host: str
    path: str
    target: str = field(repr=False)


def parse_address(request: FileRequest) -> Address:
    """Parse the request's URL. Raises CannotFillError."""
    if not request.url and request.problem:
        raise CannotFillError(request.problem)
    if not TOKEN.match(request.method):
        raise CannotFillError("its method is invalid")
    try:
        parts = urlsplit(request.url)
        port = parts.port
    except ValueError as error:
        raise CannotFillError("its address is invalid") from error
    if parts.scheme and (parts.scheme not in PORTS or not parts.hostname):
        raise CannotFillError("its address is not an HTTP address")
    usual = port is None or port == PORTS.get(parts.scheme)
    host = escape(parts.hostname or "") + ("" if usual else f":{port}")
    path, query = escape(parts.path or "/"), escape(parts.query)
    if not path.startswith("/") or path.startswith("//"):
        raise CannotFillError("its path must begin with exactly one /")
    return Address(host, path, f"{path}?{query}" if query else path)


def escape(text: str) -> str:
    """Escape the text as a browser does; keep existing escapes."""
    return quote(text, safe=PRINTABLE)


def choose_method(request: FileRequest) -> str:
    """Return the method; browsers and editors mark a websocket by its address."""
    return WEBSOCKET if request.url.startswith(("ws:", "wss:")) else request.method


def build_ask(request: FileRequest, address: Address, file_name: str) -> Ask:
    """Build the request to send. Raises CannotFillError."""
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
    """Return the headers to send. Join several cookie headers, which HTTP/2 allows, into one.
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
