"""A process that chooses a value for one JSON schema: from standard input to standard output.

A process of its own, since a stranger's pattern can keep a regular expression busy for years, which
nothing else ends.
"""

import json
import sys
from typing import cast

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis_jsonschema import from_schema
from hypothesis_jsonschema._canonicalise import Schema

from stress.audit.plain_values import find_plain_value


def choose_or_generate(schema: dict[str, object]) -> tuple[object, str]:
    """The same value each time, and where it comes from. Raises whatever a schema that allows
    nothing, or is none, makes of it."""
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
