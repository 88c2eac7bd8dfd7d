"""Chooses a value for a parameter or a body: the document's own, or one that its schema accepts.

Stated values come first: `example`, `examples`, `default`, `const`, `enum`. Next come plain values
such as 1 that the schema accepts: item 1 exists more often than item -7310. If none fits, as for a
pattern, a library generates one with a fixed seed.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from scenarios.units import Second
from stress.audit.plain_values import find_plain_value
from stress.places import ROOT
from stress.processes import bind_to_us

MOST_DEPTH = 24
MOST_ITEMS = 20
MOST_SCHEMAS = 500
"""Limit of schemas visited per value: nested alternatives multiply."""
GENERATOR = """import sys
sys.path.insert(0, sys.argv[1])
from stress.audit.generate_value import main
main()"""
GENERATOR_S: Second = 8.0
COMBINERS = ("allOf", "anyOf", "oneOf")

Node = Mapping[str, object]
Check = Callable[[], None]


class CannotFillError(Exception):
    """The reason why no value can be chosen; completes "it cannot be sent: "."""


class Stated(NamedTuple):
    value: object
    source: str


@dataclass(slots=True)
class Search:
    """Progress of the search for one value. check: called before each part; may raise."""

    check: Check
    looked_at: int = 0
    depth: int = 0


def get_node(value: object) -> Node:
    """Return the value if it is a JSON object, otherwise an empty one."""
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
    """Follow a JSON pointer (RFC 6901). Raises CannotFillError."""
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
    """Return the first value stated for a parameter, a media type or a schema."""
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


def choose_value(schema: object, document: Node, search: Search) -> Stated:
    """Choose a value for the schema. Raises CannotFillError, and what the search's check raises."""
    search.check()  # a part may take GENERATOR_S
    search.looked_at += 1
    if search.looked_at > MOST_SCHEMAS:
        raise CannotFillError(f"its schema has more than {MOST_SCHEMAS} parts")
    if search.depth > MOST_DEPTH:
        raise CannotFillError("its schema requires infinite nesting")
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
    """Build a value from required properties, fewest items or alternatives; None for a scalar."""
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
    """Merge all parts of an allOf; for anyOf and oneOf, take the first non-null one that works."""
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
    """Return a plain value that the schema accepts, otherwise a generated one."""
    try:
        schema = as_json_schema(node)
        text = json.dumps(schema)
        plain = None if "pattern" in text else find_plain_value(schema)
        return Stated(plain, "schema") if plain is not None else run_generator(text)
    except CannotFillError:
        raise
    except Exception as error:  # a library may raise any error for a broken schema
        raise CannotFillError("no value fits its schema") from error


@lru_cache(maxsize=1000)
def run_generator(schema: str) -> Stated:
    """Generate a value in a process, which is killed after GENERATOR_S."""
    try:
        done = subprocess.run(
            bind_to_us((sys.executable, "-P", "-c", GENERATOR, str(ROOT))),
            input=schema, capture_output=True, text=True, timeout=GENERATOR_S, check=True,
        )  # fmt: skip
        return Stated(*json.loads(done.stdout))
    except subprocess.TimeoutExpired as error:
        raise CannotFillError(
            f"no value for its schema was found within {GENERATOR_S:g} s"
        ) from error
    except subprocess.CalledProcessError as error:
        raise CannotFillError("no value fits its schema") from error


def as_json_schema(node: Node) -> dict[str, object]:
    """Convert the boolean exclusive bounds of OpenAPI 3.0 (JSON Schema draft 4) to numbers."""
    schema = {
        key: value for key, value in node.items() if key not in ("$schema", "$id", "nullable")
    }
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if schema.get(exclusive) is True and bound in schema:
            schema[exclusive] = schema.pop(bound)
        elif isinstance(schema.get(exclusive), bool):
            schema.pop(exclusive)
    return schema
