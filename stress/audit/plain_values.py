"""Tries plain values such as 1 against a JSON schema."""

from collections.abc import Mapping

import jsonschema

PLAIN_VALUES: tuple[object, ...] = (
    1, "1", True, "2026-01-01", "2026-01-01T00:00:00Z", "00:00:00Z",
    "00000000-0000-4000-8000-000000000001", "a@example.com", "http://example.com/", "127.0.0.1",
    "::1", "example.com", 0, 10, 100, 1.5, "a", "abc", "AB", "en", "P1D",
)  # fmt: skip
FORMATS: Mapping[str, object] = {
    "date": "2026-01-01", "date-time": "2026-01-01T00:00:00Z", "time": "00:00:00Z",
    "duration": "P1D", "uuid": "00000000-0000-4000-8000-000000000001", "email": "a@example.com",
    "uri": "http://example.com/", "url": "http://example.com/", "ipv4": "127.0.0.1", "ipv6": "::1",
    "hostname": "example.com",
}  # fmt: skip
"""Values by format, including formats that validators do not check."""


def find_plain_value(schema: Mapping[str, object]) -> object:
    """Return the first value that fits, or None. A broken schema may raise any error."""
    checker = jsonschema.FormatChecker()
    validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
    for each in (FORMATS.get(str(schema.get("format"))), *PLAIN_VALUES):
        if each is not None and validator.is_valid(each):
            return each
    return None
