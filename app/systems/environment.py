"""Settings from environment variables, checked once at startup."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

Choice = TypeVar("Choice", bound=str)


class SettingsError(Exception):
    """An invalid setting; the message gives the key, the value and the allowed values."""


def read_number(env: Mapping[str, str], key: str, default: int, lowest: int, highest: int) -> int:
    """Read a whole number within the bounds. Raises SettingsError."""
    value = env.get(key, str(default))
    if not value.isdecimal() or not lowest <= int(value) <= highest:
        raise SettingsError(f"{key}={value!r}: give a whole number from {lowest} to {highest}")
    return int(value)


def read_choice(env: Mapping[str, str], key: str, choices: tuple[Choice, ...]) -> Choice:
    """Return the value; the first choice is the default. Raises SettingsError."""
    value = env.get(key, choices[0])
    for choice in choices:
        if value == choice:
            return choice
    raise SettingsError(f"{key}={value!r}: give one of {', '.join(choices)}")


@contextmanager
def exit_on_settings_error(name: str) -> Iterator[None]:
    """Exit with the error as one line that starts with `name`."""
    try:
        yield
    except SettingsError as error:
        sys.exit(f"{name}: {error}")
