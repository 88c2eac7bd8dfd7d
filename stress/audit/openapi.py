"""What an OpenAPI document says can be asked: one request for each operation.

OpenAPI 3.0 and 3.1 (spec.openapis.org/oas); of Swagger 2.0 what is the same. A document is a
stranger's: whatever JSON it holds, nothing here raises but UserError, and only for the whole of it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote, urlsplit

from records.audit import UnaskedRoute
from scenarios.errors import UserError
from stress.audit.ask import Ask
from stress.audit.example_values import CannotFillError, Node, get_items, get_node, resolve
from stress.audit.fill_operation import PLACEHOLDER, Operation, fill_operation

METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
MOST_OPERATIONS = 1000


def parse_document(text: bytes, address: str) -> Node:
    """Raises UserError: the text is no OpenAPI document."""
    try:
        document = get_node(json.loads(text))
        json.dumps(document, ensure_ascii=False).encode()  # half a character fails later otherwise
    except (ValueError, RecursionError) as error:
        raise UserError(f"{address} is not valid JSON: name what to ask with --request") from error
    if not isinstance(document.get("paths"), dict):
        raise UserError(f"{address} has no paths: name what to ask with --request")
    return document


def find_base_path(document: Node, address: str) -> str:
    """The path in front of all paths, "" for none. A relative server counts only where the document
    itself was found below it: an app behind a proxy names the proxy's prefix."""
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
        if not template.startswith("/") or not template.isprintable():
            continue
        for method in METHODS:
            node = get_node(get_node(item).get(method))
            if not node:
                continue
            parameters = merge_parameters(get_node(item), node, document)
            yield Operation(method.upper(), base + template, node, tuple(parameters))


def merge_parameters(item: Node, operation: Node, document: Node) -> Iterable[Node]:
    """The operation's own replace the path's of the same name and place. Those that cannot be
    resolved stay as they are: they fail when they are filled."""
    found: dict[tuple[str, str], Node] = {}
    for each in (*get_items(item.get("parameters")), *get_items(operation.get("parameters"))):
        try:
            node = resolve(each, document)
        except CannotFillError as error:
            node = {"name": str(len(found)), "in": "nowhere", "required": True, "why": str(error)}
        found[str(node.get("name")), str(node.get("in"))] = node
    return found.values()


def plan_operations(
    document: Node, base: str, methods: frozenset[str], headers: Sequence[tuple[str, str]]
) -> tuple[tuple[Ask, ...], tuple[UnaskedRoute, ...]]:
    """headers: what the user adds to each request: it fills parameters of that name."""
    asks: list[Ask] = []
    unasked: list[UnaskedRoute] = []
    given = frozenset(name.lower() for name, _ in headers)
    for number, operation in enumerate(list_operations(document, base)):
        try:
            if number >= MOST_OPERATIONS:
                raise CannotFillError(f"the document has more than {MOST_OPERATIONS} operations")
            if operation.method not in methods:
                raise CannotFillError(f"{operation.method} may write")
            asks.append(fill_operation(operation, document, given))
        except CannotFillError as error:
            how = write_advice(operation, operation.method in methods)
            unasked.append(UnaskedRoute(operation.method, operation.route, str(error), how))
    return tuple(asks), tuple(unasked)


def write_advice(operation: Operation, is_allowed: bool) -> str:
    """What to type so that it is asked."""
    if not is_allowed:
        return f"--methods GET,{operation.method}"
    path = PLACEHOLDER.sub(lambda found: found[1].upper() or "VALUE", operation.route)
    needed = [
        f"{quote(str(each.get('name')))}={quote(str(each.get('name')).upper())}"
        for each in operation.parameters
        if each.get("required") is True and each.get("in") == "query"
    ]
    query = f"?{'&'.join(needed)}" if needed else ""
    body = " @BODY.json" if operation.node.get("requestBody") else ""
    return f"--request '{operation.method} {path}{query}{body}'"
