"""Builds the request for an operation of an OpenAPI document: fills its parameters and body."""

import json
import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from stress.audit.ask import Ask
from stress.audit.example_values import (
    CannotFillError,
    Check,
    Node,
    Search,
    Stated,
    choose_value,
    find_stated_value,
    get_node,
    resolve,
)
from stress.audit.parse_requests import NOT_SENT, TOKEN

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
SAFE = "/:@!$&'()*+,;=-._~"
JSON_TYPE = re.compile(r"application/([\w.-]+\+)?json\b")
FORM_TYPE = "application/x-www-form-urlencoded"
REQUEST_SET = {"accept", "content-type", "authorization", *NOT_SENT}
"""Header parameters that are not filled: the specification ignores them, or the load sets them."""


@dataclass(frozen=True, slots=True)
class Operation:
    """route: the document's base path and the path's template."""

    method: str
    route: str
    node: Node
    parameters: tuple[Node, ...]


@dataclass(slots=True)
class Parts:
    """The parts of one request while its parameters are filled."""

    path: str
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    cookies: list[str]
    sources: list[str]
    check: Check


def fill_operation(
    operation: Operation, document: Node, given: frozenset[str], check: Check
) -> Ask:
    """Build one request for the operation. Raises CannotFillError, and what `check` raises."""
    parts = Parts(operation.route, [], [], [], [], check)
    for each in operation.parameters:
        if is_needed(each, given):
            fill_parameter(parts, each, document)
    if left := PLACEHOLDER.search(parts.path):
        raise CannotFillError(f"its path parameter {left[1]!r} is not described")
    body = fill_body(parts, operation, document)
    if parts.cookies:
        parts.headers.append(("Cookie", "; ".join(parts.cookies)))
    path = quote(parts.path, safe=SAFE + "%")
    query = urlencode(parts.query)
    return Ask(
        operation.method,
        f"{path}?{query}" if query else path,
        operation.route,
        tuple(parts.headers),
        body,
        ", ".join(dict.fromkeys(parts.sources)) or "no parameters",
    )


def is_needed(parameter: Node, given: frozenset[str]) -> bool:
    name = str(parameter.get("name")).lower()
    place = parameter.get("in")
    if place == "header" and (name in REQUEST_SET or name in given):
        return False
    if place == "cookie" and "cookie" in given:  # the user sets all cookies
        return False
    return parameter.get("required") is True or place == "path"


def fill_parameter(parts: Parts, parameter: Node, document: Node) -> None:
    name, place = str(parameter.get("name")), parameter.get("in")
    if not name.isprintable():
        raise CannotFillError(f"its parameter {name!r} has a name that cannot be sent")
    stated = choose_parameter_value(parameter, document, parts.check)
    parts.sources.append(f"{name} from {stated.source}")
    if place == "query":
        parts.query += list_query_pairs(name, stated.value, parameter)
        return
    text = write_text(name, stated.value)
    if place == "path":
        if text in ("", ".", ".."):
            raise CannotFillError(f"its path parameter {name!r} would be {text!r}")
        parts.path = parts.path.replace(f"{{{name}}}", quote(text, safe=""))
    elif place == "header":
        parts.headers.append((check_name(name), check_header(text)))
    elif place == "cookie":
        parts.cookies.append(f"{check_name(name)}={quote(text)}")
    else:
        raise CannotFillError(str(parameter.get("why", f"its parameter {name!r} has no location")))


def choose_parameter_value(parameter: Node, document: Node, check: Check) -> Stated:
    """Choose from the parameter, its media type or its schema, which Swagger 2.0 does not nest."""
    stated = find_stated_value(
        {key: parameter[key] for key in ("example", "examples") if key in parameter}, document
    )
    if stated is not None:
        return stated
    for media in get_node(parameter.get("content")).values():
        value = choose_media_value(get_node(media), document, check)
        return Stated(json.dumps(value.value), value.source)
    return choose_value(parameter.get("schema", parameter), document, Search(check))


def choose_media_value(media: Node, document: Node, check: Check) -> Stated:
    stated = find_stated_value(media, document)
    return stated or choose_value(media.get("schema", {}), document, Search(check))


def list_query_pairs(name: str, value: object, parameter: Node) -> list[tuple[str, str]]:
    """Return the query pairs in the styles form and deepObject."""
    if isinstance(value, dict):
        deep = parameter.get("style") == "deepObject"
        return [
            (f"{name}[{key}]" if deep else key, write_text(name, each))
            for key, each in value.items()
        ]
    if isinstance(value, list) and parameter.get("explode", True):
        return [(name, write_text(name, each)) for each in value]
    return [(name, write_text(name, value))]


def write_text(name: str, value: object) -> str:
    """Return the text in the style simple. Raises CannotFillError."""
    if isinstance(value, list):
        return ",".join(write_text(name, each) for each in value)
    if value is None or isinstance(value, dict):
        raise CannotFillError(f"its parameter {name!r} has a value that is not text")
    return value if isinstance(value, str) else json.dumps(value)


def check_name(text: str) -> str:
    if not TOKEN.match(text):
        raise CannotFillError(f"its parameter {text!r} has a name that cannot be sent")
    return text


def check_header(text: str) -> str:
    if not text.isascii() or not text.isprintable() or text != text.strip():
        raise CannotFillError("one of its headers has characters that cannot be sent")
    return text


def fill_body(parts: Parts, operation: Operation, document: Node) -> bytes | None:
    """Return a JSON or form body; None if none is needed. Raises CannotFillError."""
    body = resolve(operation.node.get("requestBody"), document)
    if not body or (body.get("required") is not True and operation.method == "GET"):
        return None
    content = get_node(body.get("content"))
    for kind, media in content.items():
        if JSON_TYPE.match(kind):
            value = choose_media_value(get_node(media), document, parts.check)
            text = json.dumps(value.value).encode()
        elif kind == FORM_TYPE:
            value = choose_media_value(get_node(media), document, parts.check)
            pairs = list_query_pairs("body", get_node(value.value), {})
            text = urlencode(pairs).encode()
        else:
            continue
        parts.headers.append(("Content-Type", check_header(kind)))
        parts.sources.append(f"body from {value.source}")
        return text
    if body.get("required") is not True:
        return None
    raise CannotFillError(f"its body is of type {next(iter(content), '')!r}")
