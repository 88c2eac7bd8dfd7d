"""Servers and endpoints of the user's, side by side: what the command line says of them."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, urlsplit

from scenarios.catalogue.contrast import (
    EIGHT,
    GROUP,
    OURS,
    Contender,
    ContrastEndpoint,
    build_contrast_scenarios,
)
from scenarios.errors import UserError
from scenarios.model import Method, Scenario, Server

__all__ = ["GROUP", "choose_contrast_scenarios", "parse_endpoint", "parse_target"]

PLAIN = "/:?#[]@!$&'()*+,;=%~"
"""Characters of an address that stand for themselves; all else is sent as bytes of UTF-8."""


def parse_target(text: str) -> Contender:
    """`NAME=http://host:port[/base]`. Raises UserError."""
    name, _, url = text.partition("=")
    try:
        parts = urlsplit(quote(url, safe=PLAIN))
        port = parts.port or 80
    except ValueError:
        port, parts = 0, urlsplit("")
    plain = not (parts.query or parts.fragment or parts.username or ":" in (parts.hostname or ""))
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,12}", name) or not plain:
        raise UserError(f"--target {text!r}: give NAME=http://host:port, NAME of up to 12 letters")
    if parts.scheme != "http" or not parts.hostname or not port:
        raise UserError(f"--target {text!r}: only http:// is measured; give NAME=http://host:port")
    return Contender(
        name=name,
        style="async def",
        server=Server("given", worker_timeout_s=0.0),
        base=parts.path.rstrip("/"),
        url=f"http://{parts.hostname}:{port}",
    )


def parse_endpoint(text: str) -> ContrastEndpoint:
    """`GET /path`, or `POST /path {"json": "body"}`. Raises UserError."""
    match = re.fullmatch(r"\s*(GET|POST)\s+(/\S*)(?:\s+(\S.*?))?\s*", text, re.DOTALL)
    if match is None:
        raise UserError(f"--endpoint {text!r}: give 'GET /path', or 'POST /path {{\"a\": 1}}'")
    body = match[3]
    if body is not None:
        try:
            json.loads(body)
        except ValueError as error:
            raise UserError(f"--endpoint {text!r}: its body is no JSON: {error}") from error
    method: Method = "POST" if match[1] == "POST" else "GET"
    name = re.sub(r"[^a-z0-9]+", "-", match[2].lower()).strip("-") or "root"
    return ContrastEndpoint(
        f"{name[:24]}-{method.lower()}", method, quote(match[2], safe=PLAIN), body
    )


def choose_contrast_scenarios(
    targets: Sequence[str], endpoints: Sequence[str]
) -> tuple[Scenario, ...]:
    """What the user named, and ours where nothing was. Raises UserError."""
    contenders = [parse_target(each) for each in targets] or list(OURS)
    chosen = [parse_endpoint(each) for each in endpoints] or list(EIGHT)
    for kind, names in (
        ("--target", [each.name for each in contenders]),
        ("--endpoint", [each.subject for each in chosen]),
    ):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise UserError(f"{kind}: {min(twice)} is given twice")
    return build_contrast_scenarios(number_duplicate_names(chosen), contenders)


def number_duplicate_names(endpoints: Sequence[ContrastEndpoint]) -> list[ContrastEndpoint]:
    """Two paths may shorten to one name."""
    names = [each.name for each in endpoints]
    return [
        replace(each, name=f"{each.name}-{place}") if names.count(each.name) > 1 else each
        for place, each in enumerate(endpoints, start=1)
    ]
