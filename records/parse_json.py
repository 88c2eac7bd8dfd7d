"""Reads the JSON of records."""

import json

from records.harmless import make_json_harmless

MOST_DIGITS = 19
LARGEST = 1e30
"""No record has a larger number; its square and its thousandfold are finite."""


def parse_json(text: str) -> object:
    """Parse records, and make their texts harmless. Raises ValueError for numbers that are not
    finite, above LARGEST or of more than 64 bits, and for more nesting than Python can follow."""

    def reject(number: str) -> float:
        raise ValueError(f"{number[:20]} is not a number that a record can have")

    def parse_int(number: str) -> int:
        return int(number) if len(number) < MOST_DIGITS else int(reject(number))

    def parse_float(number: str) -> float:
        return value if abs(value := float(number)) <= LARGEST else reject(number)

    try:
        content = json.loads(
            text, parse_constant=reject, parse_int=parse_int, parse_float=parse_float
        )
        return make_json_harmless(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
