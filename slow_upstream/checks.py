"""Checks the values in a request or on the command line, and quotes refused ones safely."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from slow_upstream.delays import DISTRIBUTIONS

MAX_WAIT_MS = 60_000
MAX_SEED = 2**63 - 1
SHOWN_CHARACTERS = 40

WRONG_USE = 2
CANNOT_RUN_HERE = 3

# Bounds the digits, so that int() never hits Python's own limit, which raises another error.
_WHOLE = re.compile(r"0*([0-9]{1,20})")
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
# Allows printable ASCII except characters special to a terminal, a shell or an HTML page.
_UNSAFE = re.compile(r"""[^ -~]|["&'<>\\`]""")


class SlowUpstreamError(Exception):
    """An error that the user can fix; the message is the one line to print."""

    def __init__(self, message: str, exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class RefusedValueError(argparse.ArgumentTypeError, ValueError):
    """A value that is not allowed. argparse shows only messages of its own exception."""


def quote_value(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Quote a value that a caller chose: at most `limit` characters, all harmless."""
    safe = _UNSAFE.sub("?", text)
    return f'"{safe}"' if len(safe) <= limit else f'"{safe[: limit - 3]}..."'


def parse_whole_number(text: str, highest: int) -> int:
    """Plain decimal digits: no sign, space, underscore or exponent. The error states the range."""
    match = _WHOLE.fullmatch(text)
    if match is None or int(match[1]) > highest:
        raise RefusedValueError(
            f"must be one whole number from 0 to {highest}, not {quote_value(text)}"
        )
    return int(match[1])


def parse_fraction(text: str) -> float:
    """Parse a plain decimal fraction from 0 to 1; refuse anything else, such as `nan` or `1e-3`."""
    if _DECIMAL.fullmatch(text) is None or float(text) > 1:
        raise RefusedValueError(f"must be a decimal number from 0 to 1, not {quote_value(text)}")
    return float(text)


def parse_wait_ms(query: bytes, default_ms: int) -> int:
    """Return the mean wait in a query string, in milliseconds.

    It does not decode percent escapes: `waitms=%31` is not a plain number. So both implementations
    agree without a common URL library.
    """
    pairs = [pair.partition("=") for pair in query.decode("latin-1").split("&")]
    values = [value for name, _, value in pairs if name == "waitms"]
    if not values:
        return default_ms
    try:
        return parse_whole_number(",".join(values), MAX_WAIT_MS)
    except RefusedValueError as error:
        raise RefusedValueError(f"waitms {error}") from None


@dataclass(frozen=True, slots=True)
class Options:
    host: str
    port: int
    default_ms: int
    distribution: str
    seed: int
    error_rate: float
    log: str | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would print its usage before the reason, but only the reason helps.
        raise SlowUpstreamError(message.removeprefix("argument ").replace("\n", " "))


def parse_options(argv: Sequence[str] | None = None) -> Options:
    """Parse and check all options before anything is opened. Raises SlowUpstreamError, which names
    the option and its value."""
    parser = _Parser(
        prog="slow-upstream",
        description="An HTTP server that waits before it answers: GET /?waitms=1000",
        allow_abbrev=False,
    )
    text, port = _require_text, partial(parse_whole_number, highest=65_535)
    wait_ms, seed = (partial(parse_whole_number, highest=most) for most in (MAX_WAIT_MS, MAX_SEED))
    parser.add_argument("--host", type=text, default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=port, default=8090, help="port; 0: the OS picks one")
    parser.add_argument(
        "--default-ms", type=wait_ms, default=1000, help="mean wait in milliseconds without waitms"
    )
    parser.add_argument(
        "--distribution",
        type=_check_distribution,
        default="constant",
        metavar="|".join(DISTRIBUTIONS),
        help="distribution of the waits around their mean",
    )
    parser.add_argument("--seed", type=seed, default=1, help="same seed, same waits")
    parser.add_argument(
        "--error-rate", type=parse_fraction, default=0.0, help="fraction of planned 500s, 0 to 1"
    )
    parser.add_argument("--log", type=text, metavar="FILE", help="CSV file, overwritten")
    return Options(**vars(parser.parse_args(argv)))


def _require_text(text: str) -> str:
    # An empty host would listen on every interface.
    if not text:
        raise RefusedValueError("must not be empty")
    return text


def _check_distribution(text: str) -> str:
    if text not in DISTRIBUTIONS:
        names = ", ".join(DISTRIBUTIONS)
        raise RefusedValueError(f"must be one of {names}, not {quote_value(text)}")
    return text
