"""What an audit asks of a service, planned before anything is sent but the fetch of the app's own
OpenAPI document."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from urllib.parse import urlsplit

from records.audit import UnaskedRoute
from scenarios.errors import UserError
from stress.audit.ask import Ask, Headers, RequestPlan, hide_query
from stress.audit.drive_locustfile import find_locustfile
from stress.audit.find_document import ApiDocument, fetch_document
from stress.audit.openapi import plan_operations
from stress.audit.parse_requests import parse_header, parse_host, parse_methods, parse_request
from stress.audit.read_requests import read_requests
from stress.audit.request_file import plan_file
from stress.audit.request_options import RequestOptions
from stress.audit.routes import find_route, list_templates
from stress.interruption import Interruption

__all__ = [
    "Ask", "RequestOptions", "RequestPlan", "UnaskedRoute", "plan_requests", "render_plan",
]  # fmt: skip

OPTION, GLUE = re.compile(r"--[a-z]+ ('[^']*'|\S+)"), "\0"
MAY_WRITE = (
    "A request may write, even a GET, and the app uses the database that its configuration names."
)


def check_options(options: RequestOptions) -> RequestPlan:
    """What the user named. What can be refused before anything is started is refused: raises
    UserError."""
    plan = parse_named(options)
    parse_methods(options.methods)
    if options.drive == "requests" and not plan.asks:
        raise UserError("--drive requests needs at least one --request, such as 'GET /items/1'")
    if options.drive in ("locustfile", "none") and (plan.asks or plan.before or options.headers):
        raise UserError(
            f"--drive {options.drive} sends no requests of --request, --har or --requests-file, no "
            "--before and no --header"
        )
    if options.drive == "locustfile":
        find_locustfile(options.locustfile, options.app_dir)
    elif options.locustfile is not None:
        raise UserError("--locustfile needs --drive locustfile")
    return plan


def parse_headers(options: RequestOptions) -> Headers:
    return tuple(parse_header(each) for each in options.headers)


def parse_named(options: RequestOptions) -> RequestPlan:
    """What the user named. Raises UserError."""
    headers, folder = parse_headers(options), options.app_dir
    plan = RequestPlan(
        asks=parse_all(options.requests, "--request", headers, folder),
        before=parse_all(options.before, "--before", headers, folder),
        warnings=(MAY_WRITE,),
    )
    files = (("--har", options.har), ("--requests-file", options.requests_file))
    if options.from_host is not None and not any(file for _, file in files):
        raise UserError("--from-host needs --har or --requests-file")
    for option, file in files:
        if file is not None:
            plan = add_file(plan, options, option, folder / file)
    return plan


def add_file(plan: RequestPlan, options: RequestOptions, option: str, file: Path) -> RequestPlan:
    """Raises UserError."""
    headers, methods = parse_headers(options), parse_methods(options.methods)
    more = plan_file(read_requests(file, option), file.name, methods, options.from_host)
    return replace(
        plan,
        asks=(*plan.asks, *(each.add_headers(headers) for each in more.asks)),
        unasked=(*plan.unasked, *more.unasked),
        warnings=(*plan.warnings, *more.warnings),
    )


def plan_requests(url: str, options: RequestOptions, interruption: Interruption) -> RequestPlan:
    """Raises UserError, CellInterruptedError."""
    plan = check_options(options)
    headers, methods = parse_headers(options), parse_methods(options.methods)
    if options.drive in ("locustfile", "none"):
        return plan_other_load(url, options, plan, interruption)
    is_from_document = options.drive == "openapi" or not plan.asks
    if not is_loopback(url):
        if options.drive is None and not plan.asks:
            raise UserError(
                f"{urlsplit(url).hostname} is another machine: name what may be sent there with "
                "--request, or consent to its OpenAPI document with --drive openapi"
            )
        if not is_from_document:
            return plan
    document = read_document(url, headers, interruption, is_from_document)
    plan = add_templates(plan, document)
    return add_operations(plan, document, methods, headers) if is_from_document else plan


def parse_all(texts: Sequence[str], option: str, headers: Headers, folder: Path) -> tuple[Ask, ...]:
    return tuple(parse_request(each, option, folder).add_headers(headers) for each in texts)


def plan_other_load(
    url: str, options: RequestOptions, plan: RequestPlan, interruption: Interruption
) -> RequestPlan:
    """The user's own locustfile, or their own traffic. Raises UserError."""
    if options.drive == "none":
        return RequestPlan(is_own_traffic=True)
    document = read_document(url, (), interruption, False) if is_loopback(url) else None
    locustfile = find_locustfile(options.locustfile, options.app_dir)
    return replace(add_templates(plan, document), locustfile=locustfile)


def is_loopback(url: str) -> bool:
    host = parse_host(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_document(
    url: str, headers: Headers, interruption: Interruption, is_needed: bool
) -> ApiDocument | None:
    """Where it is not needed it only says which route a path belongs to, and may be broken."""
    try:
        return fetch_document(url, headers, interruption)
    except UserError:
        if is_needed:
            raise
        return None


def add_templates(plan: RequestPlan, document: ApiDocument | None) -> RequestPlan:
    """The routes of what the user named. What is not asked of a file may be asked by --request."""
    templates = list_templates(document.content, document.base) if document else ()
    asks, before = (
        tuple(replace(each, route=find_route(each.method, each.route, templates)) for each in group)
        for group in (plan.asks, plan.before)
    )
    named = {each.name for each in asks}
    unasked = {
        (each.method, route): replace(each, route=route)
        for each in plan.unasked
        for route in [find_route(each.method, each.route, templates)]
        if f"{each.method} {route}" not in named
    }
    return replace(
        plan, asks=asks, before=before, unasked=tuple(unasked.values()), templates=templates
    )


def add_operations(
    plan: RequestPlan, document: ApiDocument | None, methods: frozenset[str], headers: Headers
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
    asks, unasked = plan_operations(document.content, document.base, methods, headers)
    mine = {each.name for each in plan.asks}
    more = tuple(each.add_headers(headers) for each in asks if each.name not in mine)
    rest = tuple(each for each in unasked if f"{each.method} {each.route}" not in mine)
    if not plan.asks and not more:
        hint = f": {rest[0].how}" if rest else ""
        raise UserError(f"{document.address} has no request that can be filled; name one{hint}")
    return replace(plan, asks=(*plan.asks, *more), unasked=(*plan.unasked, *rest))


def render_plan(plan: RequestPlan) -> list[str]:
    """Lines of 80 columns, but for an option to type: it stays on one line."""
    lines: list[str] = []
    for text in list_plan_texts(plan):
        glued = OPTION.sub(lambda found: found[0].replace(" ", GLUE), text)
        indent = " " * (len(text) - len(text.lstrip()) + 2)
        wrapped = wrap(
            glued, 80, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        lines += [line.replace(GLUE, " ") for line in wrapped]
    return lines


def list_plan_texts(plan: RequestPlan) -> list[str]:
    """What would be asked, where its values come from, and what cannot be asked."""
    lines = [f"before, by each user: {each.method} {each.route}" for each in plan.before]
    lines += [f"{each.method} {hide_query(each)}  ({each.source})" for each in plan.asks]
    if plan.unasked:
        lines.append("Not asked:")
        lines += [
            f"  {each.method} {each.route}: {each.reason}. To have it asked: {each.how}"
            for each in plan.unasked
        ]
    if plan.locustfile is not None:
        lines.append(f"What {plan.locustfile.name} asks.")
    if plan.is_own_traffic:
        lines.append("Nothing: the traffic is yours.")
    return [*lines, *plan.warnings]
