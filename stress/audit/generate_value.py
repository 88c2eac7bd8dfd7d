"""A process that reads a JSON schema from stdin and writes a value for it to stdout.

It runs separately so that it can be killed: an untrusted pattern may keep a regular expression busy
for years.
"""

import json
import sys
from typing import cast

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis_jsonschema import from_schema
from hypothesis_jsonschema._canonicalise import Schema

from stress.audit.plain_values import find_plain_value


def choose_or_generate(schema: dict[str, object]) -> tuple[object, str]:
    """Return a value, the same every time, and its source. May raise any error for a schema that is
    invalid or allows no value."""
    plain = find_plain_value(schema)
    if plain is not None:
        return plain, "schema"
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
    return found[0], "schema, generated"


def main() -> None:
    print(json.dumps(choose_or_generate(json.load(sys.stdin))))
