"""A value for a parameter or a body: one that the API's author states, or one that its schema
accepts.

Stated values come first: `example`, `examples`, `default`, `const`, `enum`. Then plain values such
as 1 that the schema accepts: an item 1 exists more often than an item -7310. Where none fits, as
for a pattern, a library generates one, with a fixed seed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast
from urllib.parse import unquote

import jsonschema
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis_jsonschema import from_schema
from hypothesis_jsonschema._canonicalise import Schema

MOST_DEPTH = 24
MOST_ITEMS = 20
MOST_SCHEMAS = 500
"""Looked at for one value: alternatives within alternatives multiply."""
MOST_PATTERN = 200
MOST_PATTERN_TEXT = 12
"""Characters of a plain value that is tried on a pattern: where it does not match, the time can
double with each of them."""
PLAIN_VALUES: tuple[object, ...] = (
    1, "1", True, "2026-01-01", "2026-01-01T00:00:00Z", "00:00:00Z",
    "00000000-0000-4000-8000-000000000001", "a@example.com", "http://example.com/", "127.0.0.1",
    "::1", "example.com", 0, 10, 100, 1.5, "a", "abc", "AB", "en", "P1D", None,
)  # fmt: skip
FORMATS: Mapping[str, object] = {
    "date": "2026-01-01", "date-time": "2026-01-01T00:00:00Z", "time": "00:00:00Z",
    "duration": "P1D", "uuid": "00000000-0000-4000-8000-000000000001", "email": "a@example.com",
    "uri": "http://example.com/", "url": "http://example.com/", "ipv4": "127.0.0.1", "ipv6": "::1",
    "hostname": "example.com",
}  # fmt: skip
"""Also what validators do not check."""
COMBINERS = ("allOf", "anyOf", "oneOf")

Node = Mapping[str, object]


class CannotFillError(Exception):
    """Why a value cannot be chosen, in words that complete "it cannot be asked: "."""


class Stated(NamedTuple):
    value: object
    source: str


@dataclass(slots=True)
class Search:
    """How far the search for one value has come."""

    looked_at: int = 0
    depth: int = 0


def get_node(value: object) -> Node:
    """An object of a JSON document; empty where it is something else."""
    return value if isinstance(value, dict) else {}


def get_items(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def resolve(node: object, document: Node) -> Node:
    """Follow `$ref` inside the document. Raises CannotFillError."""
    for _ in range(MOST_DEPTH):
        found = get_node(node)
        reference = found.get("$ref")
        if not isinstance(reference, str):
            return found
        if not reference.startswith("#"):
            raise CannotFillError("its description refers to another document")
        node = follow_pointer(reference[1:], document)
    raise CannotFillError("its description refers to itself")


def follow_pointer(pointer: str, document: Node) -> object:
    """By RFC 6901."""
    found: object = document
    for part in pointer.split("/")[1:]:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key[:9]) < len(found):
            found = found[int(key[:9])]
        else:
            raise CannotFillError("its description refers to a part that is missing")
    return found


def find_stated_value(node: Node, document: Node) -> Stated | None:
    """The first value that the description states, of a parameter, a media type or a schema."""
    if "example" in node:
        return Stated(node["example"], "example")
    for each in list_examples(node, document):
        return Stated(each, "examples")
    for key in ("default", "const"):
        if key in node:
            return Stated(node[key], key)
    for each in get_items(node.get("enum")):
        return Stated(each, "enum")
    return None


def list_examples(node: Node, document: Node) -> Iterator[object]:
    examples = node.get("examples")
    yield from get_items(examples)
    for each in get_node(examples).values():
        found = resolve(each, document)
        if "value" in found:
            yield found["value"]


def choose_value(schema: object, document: Node, search: Search | None = None) -> Stated:
    """Raises CannotFillError."""
    search = search or Search()
    search.looked_at += 1
    if search.looked_at > MOST_SCHEMAS:
        raise CannotFillError(f"its schema has more than {MOST_SCHEMAS} parts")
    if search.depth > MOST_DEPTH:
        raise CannotFillError("its schema needs a value inside itself without end")
    node = resolve(schema, document)
    stated = find_stated_value(node, document)
    if stated is not None and (stated.value is not None or allows_null(node)):
        return stated
    search.depth += 1
    try:
        return assemble(node, document, search) or choose_plain_value(node)
    finally:
        search.depth -= 1


def allows_null(node: Node) -> bool:
    return node.get("nullable") is True or "null" in (
        node.get("type"),
        *get_items(node.get("type")),
    )


def assemble(node: Node, document: Node, search: Search) -> Stated | None:
    """From its parts: required properties, fewest items, the alternatives. None for a scalar."""
    if node.get("type") == "object" or "properties" in node:
        return Stated(assemble_object(node, document, search), "schema")
    if node.get("type") == "array":
        count = node.get("minItems")
        wanted = max(1, count) if isinstance(count, int) else 1
        if wanted > MOST_ITEMS:
            raise CannotFillError(f"its schema needs {wanted} items")
        schema = node.get("items", {"type": "string"})
        items = [choose_value(schema, document, search).value for _ in range(wanted)]
        return Stated(items, "schema")
    for key in COMBINERS:
        options = get_items(node.get(key))
        if options:
            return combine(key, options, document, search)
    return None


def combine(key: str, options: Sequence[object], document: Node, search: Search) -> Stated:
    """All parts of an allOf; of anyOf and oneOf the first that is not null and can be filled."""
    if key == "allOf":
        values = [choose_value(each, document, search) for each in options]
        merged: dict[str, object] = {}
        for each in values:
            merged.update(get_node(each.value))
        return Stated(merged, "schema") if merged else values[0]
    problem = CannotFillError("its schema allows no value but null")
    for option in options:
        try:
            if resolve(option, document).get("type") != "null":
                return choose_value(option, document, search)
        except CannotFillError as error:
            problem = error
    raise problem


def assemble_object(node: Node, document: Node, search: Search) -> dict[str, object]:
    properties = get_node(node.get("properties"))
    required = [each for each in get_items(node.get("required")) if isinstance(each, str)]
    return {
        name: choose_value(properties.get(name, {"type": "string"}), document, search).value
        for name in required
    }


def choose_plain_value(node: Node) -> Stated:
    """A plain value that the schema accepts; otherwise one that a library generates."""
    schema = as_json_schema(node)
    checker = jsonschema.FormatChecker()
    try:
        validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
        by_format = FORMATS.get(str(node.get("format")))
        longest = MOST_PATTERN_TEXT if "pattern" in str(schema) else 100
        for each in (by_format, *PLAIN_VALUES):
            if each is not None and len(str(each)) <= longest and validator.is_valid(each):
                return Stated(each, "schema")
        return Stated(generate_value(schema), "schema, generated")
    except CannotFillError:
        raise
    except Exception as error:  # a broken schema fails anywhere in two libraries, with any error
        raise CannotFillError("no value fits its schema") from error


def as_json_schema(node: Node) -> dict[str, object]:
    """OpenAPI 3.0 has booleans for exclusive bounds, as JSON Schema had in its draft 4."""
    schema = {
        key: value for key, value in node.items() if key not in ("$schema", "$id", "nullable")
    }
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if schema.get(exclusive) is True and bound in schema:
            schema[exclusive] = schema.pop(bound)
        elif isinstance(schema.get(exclusive), bool):
            schema.pop(exclusive)
    return schema


def generate_value(schema: dict[str, object]) -> object:
    """The same value each time. Raises whatever a schema that allows nothing makes of it."""
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and len(pattern) > MOST_PATTERN:
        raise CannotFillError(f"its pattern is longer than {MOST_PATTERN} characters")
    found: list[object] = []

    @seed(0)
    @settings(
        max_examples=1, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(from_schema(cast(Schema, schema), allow_x00=False, codec="ascii"))
    def keep(value: object) -> None:
        found.append(value)

    keep()
    if not found:
        raise CannotFillError("no value fits its schema")
    return found[0]
