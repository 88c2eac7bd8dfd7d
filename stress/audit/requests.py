"""Plans the requests of an audit before any is sent, except the fetch of the app's OpenAPI
document."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import wrap

from records.audit import UnaskedRoute
from records.harmless import make_harmless
from scenarios.errors import UserError
from stress.audit.ask import ONLY_PATH, Ask, Headers, RequestPlan, Templates, hide_query
from stress.audit.drive_locustfile import find_locustfile
from stress.audit.find_document import ApiDocument, MissingDocument, fetch_document
from stress.audit.openapi import plan_operations
from stress.audit.parse_requests import (
    parse_header,
    parse_host,
    parse_methods,
    parse_request,
    reject_path,
)
from stress.audit.read_requests import read_requests
from stress.audit.request_file import plan_file
from stress.audit.request_options import RequestOptions
from stress.audit.routes import find_route, list_templates
from stress.interruption import Interruption
from stress.machine import is_own_address

__all__ = [
    "Ask", "RequestOptions", "RequestPlan", "UnaskedRoute", "plan_requests", "render_plan",
]  # fmt: skip

OPTION, GLUE = re.compile(r"--[a-z]+ ('[^']*'|\S+)"), "\0"
MAY_WRITE = "Any request may write, even a GET, to the database that the app is configured to use."


def check_options(options: RequestOptions) -> RequestPlan:
    """Return the requests that the user gave. Raises UserError for all errors that are known before
    the service starts."""
    plan = parse_named(options)
    if options.drive == "requests" and not plan.asks:
        raise UserError("--drive requests needs at least one --request, such as 'GET /items/1'")
    if options.drive in ("locustfile", "none") and (plan.asks or plan.before or options.headers):
        raise UserError(
            f"--drive {options.drive} takes no --request, --har, --requests-file, --before or "
            "--header"
        )
    reject_unused_methods(options, plan)
    if options.drive == "locustfile":
        find_locustfile(options.locustfile, options.app_dir)
    elif options.locustfile is not None:
        raise UserError("--locustfile needs --drive locustfile")
    return plan


def reject_unused_methods(options: RequestOptions, plan: RequestPlan) -> None:
    """Raises UserError."""
    has_files = options.har is not None or options.requests_file is not None
    uses_document = options.drive == "openapi" or (options.drive is None and not plan.asks)
    if parse_methods(options.methods) != {"GET"} and not has_files and not uses_document:
        raise UserError(
            "--methods chooses from the OpenAPI document, --har and --requests-file, and none of "
            "them is used: leave it out"
        )


def parse_headers(options: RequestOptions) -> Headers:
    return tuple(parse_header(each) for each in options.headers)


def parse_named(options: RequestOptions) -> RequestPlan:
    """Return the requests that the user gave. Raises UserError."""
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
    """Add a file's requests to the plan. Raises UserError."""
    headers, methods = parse_headers(options), parse_methods(options.methods)
    more = plan_file(read_requests(file, option), file.name, methods, options.from_host)
    return replace(
        plan,
        asks=(*plan.asks, *(each.add_headers(headers) for each in more.asks)),
        unasked=(*plan.unasked, *more.unasked),
        warnings=(*plan.warnings, *more.warnings),
    )


def plan_requests(url: str, options: RequestOptions, interruption: Interruption) -> RequestPlan:
    """Plan all requests. Raises UserError, CellInterruptedError."""
    plan = check_options(options)
    headers, methods = parse_headers(options), parse_methods(options.methods)
    if options.drive in ("locustfile", "none"):
        return plan_other_load(url, options, plan, interruption)
    host = parse_host(url)
    reject_path(url)
    is_from_document = options.drive == "openapi" or not plan.asks
    if not is_own_address(host):
        if options.drive is None and not plan.asks:
            raise UserError(
                f"{host} is another machine; give the requests to send with --request, or allow "
                "its OpenAPI document with --drive openapi"
            )
        if not is_from_document:
            return plan
    document = read_document(url, headers, interruption, is_from_document)
    plan = add_templates(plan, document)
    if not is_from_document:
        return plan
    return add_operations(plan, document, methods, headers, interruption)


def parse_all(texts: Sequence[str], option: str, headers: Headers, folder: Path) -> tuple[Ask, ...]:
    return tuple(parse_request(each, option, folder).add_headers(headers) for each in texts)


def plan_other_load(
    url: str, options: RequestOptions, plan: RequestPlan, interruption: Interruption
) -> RequestPlan:
    """Plan the user's locustfile or own traffic. Raises UserError."""
    if options.drive == "none":
        return RequestPlan(is_own_traffic=True)
    is_own = is_own_address(parse_host(url))
    document = read_document(url, (), interruption, False) if is_own else MissingDocument()
    locustfile = find_locustfile(options.locustfile, options.app_dir)
    return replace(add_templates(plan, document), locustfile=locustfile)


def read_document(
    url: str, headers: Headers, interruption: Interruption, is_needed: bool
) -> ApiDocument | MissingDocument:
    """Fetch the document. If not needed, it only maps paths to routes and may be broken."""
    try:
        return fetch_document(url, headers, interruption)
    except UserError:
        if is_needed:
            raise
        return MissingDocument()


def add_templates(plan: RequestPlan, document: ApiDocument | MissingDocument) -> RequestPlan:
    """Set the routes of the user's requests; --request may cover a file's unsent ones."""
    templates: Templates = ()
    if isinstance(document, ApiDocument):
        templates = list_templates(document.content, document.base)
    asks, before = (
        tuple(replace(each, route=find_route(each.method, each.route, templates)) for each in group)
        for group in (plan.asks, plan.before)
    )
    named = {each.name for each in (*asks, *before)}
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
    plan: RequestPlan,
    document: ApiDocument | MissingDocument,
    methods: frozenset[str],
    headers: Headers,
    interruption: Interruption,
) -> RequestPlan:
    """Add the document's operations, except the routes that the user gave. Raises
    CellInterruptedError."""
    if isinstance(document, MissingDocument):
        return guess_requests(plan, document, headers)
    asks, unasked = plan_operations(document.content, document.base, methods, headers, interruption)
    mine = {each.name for each in plan.asks}
    more = tuple(each.add_headers(headers) for each in asks if each.name not in mine)
    sent = mine | {each.name for each in plan.before}
    rest = tuple(each for each in unasked if f"{each.method} {each.route}" not in sent)
    if not plan.asks and not more:
        hint = f": {rest[0].how}" if rest else ""
        raise UserError(f"{document.address} has no request that can be filled; give one{hint}")
    return replace(plan, asks=(*plan.asks, *more), unasked=(*plan.unasked, *rest))


def guess_requests(plan: RequestPlan, missing: MissingDocument, headers: Headers) -> RequestPlan:
    """Plan GET / if the user gave no request. More routes are unknown, unless the app has no
    document and the user gave requests."""
    only = Ask("GET", "/", "/", headers, source=ONLY_PATH)
    what = "your requests are" if plan.asks else "GET / is"
    why = missing.failure or "The app has no OpenAPI document"
    said = f"{why}, so only {what} sent. {missing.advice}"
    return replace(
        plan,
        asks=plan.asks or (only,),
        warnings=(*plan.warnings, said),
        routes_unknown=said if missing.failure or not plan.asks else None,
    )


def render_plan(plan: RequestPlan) -> list[str]:
    """Render the plan in 80 columns; only an option to type may exceed a line."""
    lines: list[str] = []
    for text in map(make_harmless, list_plan_texts(plan)):
        glued = OPTION.sub(lambda found: found[0].replace(" ", GLUE), text)
        indent = " " * (len(text) - len(text.lstrip()) + 2)
        wrapped = wrap(
            glued, 80, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        lines += [line.replace(GLUE, " ") for line in wrapped]
    return lines


def list_plan_texts(plan: RequestPlan) -> list[str]:
    """List the requests with the source of their values, and those that are not sent."""
    lines = [f"before, from each user: {each.method} {each.route}" for each in plan.before]
    lines += [f"{each.method} {hide_query(each)}  ({each.source})" for each in plan.asks]
    if plan.unasked:
        lines.append("Not sent:")
        lines += [
            f"  {each.method} {each.route}: {each.reason}. To send it: {each.how}"
            for each in plan.unasked
        ]
    if plan.locustfile is not None:
        lines.append(f"The requests of {plan.locustfile.name}.")
    if plan.is_own_traffic:
        lines.append("Nothing: you send the requests.")
    return [*lines, *plan.warnings]
