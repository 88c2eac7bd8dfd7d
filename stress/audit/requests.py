"""What an audit asks of a service, planned before anything is sent but the fetch of the app's own
OpenAPI document."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from records.audit import UnaskedRoute
from scenarios.errors import UserError
from stress.audit.ask import Ask, Headers, RequestPlan, hide_query
from stress.audit.example_values import Node
from stress.audit.fill_operation import PLACEHOLDER
from stress.audit.find_document import fetch_document
from stress.audit.openapi import find_base_path, list_operations, plan_operations
from stress.audit.parse_requests import parse_header, parse_methods, parse_request
from stress.interruption import Interruption

__all__ = [
    "Ask", "RequestOptions", "RequestPlan", "UnaskedRoute", "plan_requests", "render_plan",
]  # fmt: skip

Drive = Literal["requests", "openapi", "locustfile", "none"]
MAY_WRITE = (
    "A request may write, even a GET, and the app uses the database that its configuration names."
)


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """As the user typed them.

    drive: None: requests where there are any, otherwise openapi. methods: "GET,POST". folder: what
    files are relative to.
    """

    requests: tuple[str, ...] = field(default=(), repr=False)
    methods: str = "GET"
    headers: tuple[str, ...] = field(default=(), repr=False)
    before: tuple[str, ...] = field(default=(), repr=False)
    drive: Drive | None = None
    locustfile: Path | None = None
    folder: Path = Path()


def plan_requests(url: str, options: RequestOptions, interruption: Interruption) -> RequestPlan:
    """Raises UserError, CellInterruptedError."""
    headers = tuple(parse_header(each) for each in options.headers)
    methods = parse_methods(options.methods)
    named = tuple(
        parse_request(each, "--request", options.folder).add_headers(headers)
        for each in options.requests
    )
    before = tuple(
        parse_request(each, "--before", options.folder).add_headers(headers)
        for each in options.before
    )
    if options.drive == "requests" and not named:
        raise UserError("--drive requests needs at least one --request, such as 'GET /items/1'")
    if options.drive in ("locustfile", "none"):
        if named or before:
            raise UserError(f"--drive {options.drive} sends no --request and no --before")
        return RequestPlan(warnings=(MAY_WRITE,) if options.drive == "locustfile" else ())
    is_from_document = options.drive == "openapi" or not named
    if not is_loopback(url):
        if options.drive is None and not named:
            raise UserError(
                f"{urlsplit(url).hostname} is another machine: name what may be sent there with "
                "--request, or consent to its OpenAPI document with --drive openapi"
            )
        if not is_from_document:
            return RequestPlan(named, (), (MAY_WRITE,), before)
    document = read_document(url, headers, interruption, is_from_document)
    named = tuple(find_routes(named, document))
    plan = RequestPlan(named, (), (MAY_WRITE,), before)
    return add_operations(plan, document, methods, headers) if is_from_document else plan


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_document(
    url: str, headers: Headers, interruption: Interruption, is_needed: bool
) -> tuple[str, Node] | None:
    """Where it is not needed it only says which route a path belongs to, and may be broken."""
    try:
        return fetch_document(url, headers, interruption)
    except UserError:
        if is_needed:
            raise
        return None


def find_routes(asks: Sequence[Ask], document: tuple[str, Node] | None) -> Iterator[Ask]:
    """The route of each ask where a template of the document fits it; fewest placeholders first."""
    if document is None:
        yield from asks
        return
    address, content = document
    operations = sorted(
        list_operations(content, find_base_path(content, address)),
        key=lambda each: len(PLACEHOLDER.findall(each.route)),
    )
    for ask in asks:
        fitting = (
            each.route
            for each in operations
            if each.method == ask.method and does_fit(each.route, ask.route)
        )
        yield replace(ask, route=next(fitting, ask.route))


def does_fit(template: str, path: str) -> bool:
    """A placeholder fits one segment."""
    parts = PLACEHOLDER.split(template)[::2]
    return re.fullmatch("[^/]+".join(re.escape(each) for each in parts), path) is not None


def add_operations(
    plan: RequestPlan,
    document: tuple[str, Node] | None,
    methods: frozenset[str],
    headers: Headers,
) -> RequestPlan:
    """What the document has, but for the routes that the user named."""
    if document is None:
        if plan.asks:
            return plan
        only = Ask("GET", "/", "/", headers, source="nothing else is known")
        said = (
            "The app has no OpenAPI document: only GET / is asked. Name more with --request "
            "'GET /items/1'."
        )
        return replace(plan, asks=(only,), warnings=(*plan.warnings, said))
    address, content = document
    base = find_base_path(content, address)
    asks, unasked = plan_operations(content, base, methods, headers)
    mine = {each.name for each in plan.asks}
    more = tuple(each.add_headers(headers) for each in asks if each.name not in mine)
    rest = tuple(each for each in unasked if f"{each.method} {each.route}" not in mine)
    if not plan.asks and not more:
        hint = f": {rest[0].how}" if rest else ""
        raise UserError(f"{address} has no request that can be filled; name one{hint}")
    return replace(plan, asks=(*plan.asks, *more), unasked=rest)


def render_plan(plan: RequestPlan) -> list[str]:
    """Lines: what would be asked, where its values come from, and what cannot be asked."""
    lines = [f"before, by each user: {each.method} {each.route}" for each in plan.before]
    lines += [f"{each.method} {hide_query(each)}  ({each.source})" for each in plan.asks]
    if plan.unasked:
        lines.append("Not asked:")
        lines += [
            f"  {each.method} {each.route}: {each.reason}. To have it asked: {each.how}"
            for each in plan.unasked
        ]
    return [*lines, *plan.warnings]
