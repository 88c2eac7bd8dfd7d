"""Parses the requests, headers and methods that the user types. Each error is one line that shows
no value, since a value may be a secret."""

import json
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from scenarios.errors import UserError
from scenarios.user_files import read_user_file
from stress.audit.ask import WEBSOCKET, Ask

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
"""A method or a header name (RFC 9110)."""
TARGET = re.compile(r"[!-~]+\Z")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", WEBSOCKET)
"""Methods that the user can allow for a whole document or file."""
MOST_BODY = 1 << 20
LONGEST_SHOWN = 200
"""Longest file name shown, in characters."""
ID_HEADER = "x-study-request-id"
"""Identifies each request to the probe. No app declares it, so x-request-id stays the user's."""
NOT_SENT = frozenset({"host", "content-length", "transfer-encoding", "connection", ID_HEADER})
"""Headers that no document or file sets; the user may set the host."""


def parse_request(text: str, option: str, folder: Path) -> Ask:
    """Parse `GET /items/1`, `POST /login {"a": 1}`, `WS /chat hello`, or `POST /login @file.json`,
    with the file relative to `folder`. Raises UserError."""
    method, _, rest = text.strip().partition(" ")
    target, _, body = rest.strip().partition(" ")
    if not TOKEN.match(method) or not target:
        raise UserError(f"{option} needs a method and a path, such as {option} 'GET /items/1'")
    if method != method.upper():
        raise UserError(f"{option} {method} needs its method in capitals, such as 'GET /items/1'")
    if not target.startswith("/") or target.startswith("//") or not TARGET.match(target):
        raise UserError(
            f"{option} {method} needs a path that begins with exactly one /, without a host, and "
            "with special characters as %XX"
        )
    if "{" in target.partition("?")[0]:
        raise UserError(f"{option} {method} has a {{...}} in its path; write a value there")
    path = urlsplit(target).path
    content = read_body(body.strip(), f"{option} {method} {path}", folder)
    has_type = content is not None and method != WEBSOCKET
    headers = (("Content-Type", guess_type(content or b"")),) if has_type else ()
    sent = target.partition("#")[0]
    return Ask(method, sent, path, headers, content, option, "option")


def read_body(text: str, what: str, folder: Path) -> bytes | None:
    if not text:
        return None
    if not text.startswith("@"):
        return os.fsencode(text)
    name = text[1:]
    shown = name if len(name) <= LONGEST_SHOWN and name.isprintable() else "the file of its body"
    return read_user_file(folder / name, f"{what} cannot read {shown}", MOST_BODY)


def guess_type(body: bytes) -> str:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return "application/x-www-form-urlencoded"
    return "application/json"


def parse_header(text: str) -> tuple[str, str]:
    """Parse `Name: value`. Raises UserError."""
    name, colon, value = text.partition(":")
    value = value.strip()
    if not colon or not TOKEN.match(name):
        raise UserError("--header needs a name, a colon and a value: --header 'Accept: text/html'")
    if name.lower() in NOT_SENT - {"host"}:
        raise UserError(f"--header {name} is set by the load itself; omit it")
    if not value.isascii() or not value.isprintable():
        raise UserError(f"--header {name} has a value with characters that cannot be sent")
    return name, value


def parse_host(url: str) -> str:
    """Check the URL and return its host. Raises UserError."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:  # such as a port of letters
        fits = False
    if not fits or not parts.hostname:
        raise UserError("--url needs a scheme and a host, such as http://127.0.0.1:8000")
    if parts.username is not None or parts.query or parts.fragment:  # it is recorded
        raise UserError(
            "--url takes no user, query or fragment; give secrets with --header or --request"
        )
    return parts.hostname


def reject_path(url: str) -> None:
    """Raise UserError for a path, which no request of the study's own would have."""
    if urlsplit(url).path not in ("", "/"):
        raise UserError(
            "--url takes no path; put it into each request, such as --request 'GET /api/items/1'"
        )


def parse_methods(text: str) -> frozenset[str]:
    """Parse `GET,POST`. Raises UserError."""
    methods = [each.strip().upper() for each in text.split(",")]
    for each in methods:
        if each not in METHODS:
            raise UserError(f"--methods {each!r} is not one of {', '.join(METHODS)}")
    return frozenset(methods)
