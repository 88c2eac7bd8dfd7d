"""Builds one request per operation of an OpenAPI document.

Supports OpenAPI 3.0 and 3.1 (spec.openapis.org/oas), and the common part of Swagger 2.0. A document
is untrusted: whatever JSON it holds, this module raises only ValueError, for the whole document.
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from time import monotonic
from urllib.parse import quote, urlsplit

from records.audit import UnaskedRoute
from scenarios.units import Second
from stress.audit.ask import Ask
from stress.audit.example_values import CannotFillError, Node, get_items, get_node, resolve
from stress.audit.fill_operation import PLACEHOLDER, SAFE, Operation, fill_operation, is_needed
from stress.interruption import Interruption

METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
MOST_OPERATIONS = 1000
MOST_S: Second = 15.0
"""Time limit for filling all operations: one that is not filled by then is not sent."""


def parse_document(text: bytes) -> Node:
    """Parse a document. Raises ValueError if it is not an OpenAPI document."""
    try:
        document = get_node(json.loads(text))
        json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate would fail later
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document.get("paths"), dict):
        raise ValueError("no paths")
    return document


def find_base_path(document: Node, address: str) -> str:
    """Return the common prefix of all paths, or "". A relative server URL counts only if the
    document was found below it, because an app behind a proxy states the proxy's prefix."""
    server = get_node(next(iter(get_items(document.get("servers"))), None)).get("url")
    base = document.get("basePath") if "swagger" in document else server
    if not isinstance(base, str) or not base.isascii() or PLACEHOLDER.search(base):
        return ""
    try:
        path = urlsplit(base).path.rstrip("/")
    except ValueError:
        return ""
    found_below = urlsplit(address).path.startswith(f"{path}/")
    return path if path.startswith("/") and (found_below or "swagger" in document) else ""


def list_operations(document: Node, base: str) -> Iterator[Operation]:
    for template, item in get_node(document.get("paths")).items():
        route = base + template
        if not template.startswith("/") or not template.isprintable() or route.startswith("//"):
            continue  # // would start the name of another host
        for method in METHODS:
            node = get_node(item).get(method)
            if isinstance(node, dict):  # an empty one is an operation, too
                parameters = merge_parameters(get_node(item), node, document)
                yield Operation(method.upper(), route, node, tuple(parameters))


def merge_parameters(item: Node, operation: Node, document: Node) -> Iterable[Node]:
    """Merge parameters: the operation's replace the path's of the same name and location. Those
    that cannot be resolved stay, and fail when they are filled."""
    found: dict[tuple[str, str], Node] = {}
    for each in (*get_items(item.get("parameters")), *get_items(operation.get("parameters"))):
        try:
            node = resolve(each, document)
        except CannotFillError as error:
            node = {"name": str(len(found)), "in": "nowhere", "required": True, "why": str(error)}
        found[str(node.get("name")), str(node.get("in"))] = node
    return found.values()


def plan_operations(
    document: Node,
    base: str,
    methods: frozenset[str],
    headers: Sequence[tuple[str, str]],
    interruption: Interruption,
) -> tuple[tuple[Ask, ...], tuple[UnaskedRoute, ...]]:
    """Fill all operations. headers: the user's, which fill parameters of the same name. Raises
    CellInterruptedError."""
    asks: list[Ask] = []
    unasked: list[UnaskedRoute] = []
    given = frozenset(name.lower() for name, _ in headers)
    deadline_s = monotonic() + MOST_S

    def check() -> None:
        interruption.check()
        if monotonic() > deadline_s:
            raise CannotFillError(f"the document takes longer than {MOST_S:.0f} s to fill")

    for number, operation in enumerate(list_operations(document, base)):
        try:
            if number >= MOST_OPERATIONS:
                raise CannotFillError(f"the document has more than {MOST_OPERATIONS} operations")
            if operation.method not in methods:
                raise CannotFillError(f"{operation.method} is sent only if you name it")
            check()
            asks.append(fill_operation(operation, document, given, check))
        except (CannotFillError, RecursionError) as error:
            is_deep, how = isinstance(error, RecursionError), write_advice(operation, given)
            why = "its values are nested too deeply" if is_deep else str(error)
            unasked.append(UnaskedRoute(operation.method, operation.route, why, how))
    return tuple(asks), tuple(unasked)


def write_advice(operation: Operation, given: frozenset[str]) -> str:
    """Return the options that send the request; capitals stand for values. given: header names."""
    path = quote(PLACEHOLDER.sub(lambda found: write_stand_in(found[1]), operation.route), SAFE)
    needed = [each for each in operation.parameters if is_needed(each, given)]
    names = {
        place: [str(each.get("name")) for each in needed if each.get("in") == place]
        for place in ("query", "header", "cookie")
    }
    query = "&".join(f"{quote(name)}={write_stand_in(name)}" for name in names["query"])
    body = " @BODY.json" if operation.node.get("requestBody") else ""
    target = f"{path}?{query}" if query else path
    words = ["--request", f"{operation.method} {target}{body}"]
    for name in names["header"]:
        words += ["--header", f"{name}: {write_stand_in(name)}"]
    if names["cookie"]:
        cookies = "; ".join(f"{name}={write_stand_in(name)}" for name in names["cookie"])
        words += ["--header", f"Cookie: {cookies}"]
    return shlex.join(words)


def write_stand_in(name: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") or "VALUE"
