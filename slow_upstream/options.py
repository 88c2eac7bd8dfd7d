"""The command line, checked as a whole before anything is opened."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from slow_upstream.checks import (
    MAX_WAIT_MS,
    SlowUpstreamError,
    parse_fraction,
    parse_whole_number,
    quote_value,
)
from slow_upstream.delays import DISTRIBUTIONS

MAX_SEED = 2**63 - 1

_Value = TypeVar("_Value")


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
        # argparse would print its usage before the reason, and the reason is what helps.
        raise SlowUpstreamError(message.removeprefix("argument ").replace("\n", " "))


def parse_options(argv: Sequence[str] | None = None) -> Options:
    """Raise UpstreamError, which names the option and its value, for anything not allowed."""
    parser = _Parser(
        prog="slow-upstream",
        description="An HTTP server that waits before it answers: GET /?waitms=1000",
        allow_abbrev=False,
    )
    parser.add_argument("--host", type=_make_converter(_require_text), default="127.0.0.1")
    parser.add_argument(
        "--port", type=_make_number_check(0, 65_535), default=8090, help="0: the OS picks one"
    )
    parser.add_argument(
        "--default-ms", type=_make_number_check(0, MAX_WAIT_MS), default=1000, help="without waitms"
    )
    parser.add_argument(
        "--distribution",
        type=_make_converter(_check_distribution),
        default="constant",
        metavar="|".join(DISTRIBUTIONS),
        help="waits vary like this around a mean of waitms",
    )
    parser.add_argument("--seed", type=_make_number_check(0, MAX_SEED), default=1)
    parser.add_argument(
        "--error-rate",
        type=_make_converter(parse_fraction),
        default=0.0,
        help="share of planned 500s, 0 to 1",
    )
    parser.add_argument(
        "--log", type=_make_converter(_require_text), metavar="FILE", help="CSV, rewritten"
    )
    return Options(**vars(parser.parse_args(argv)))


def _make_converter(check: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """argparse shows the words of its own exception only."""

    def convert(text: str) -> _Value:
        try:
            return check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _make_number_check(lowest: int, highest: int) -> Callable[[str], int]:
    return _make_converter(lambda text: parse_whole_number(text, lowest, highest))


def _require_text(text: str) -> str:
    # An empty host would mean every interface of the machine.
    if not text:
        raise ValueError(f"must not be empty, not {quote_value(text)}")
    return text


def _check_distribution(text: str) -> str:
    if text not in DISTRIBUTIONS:
        raise ValueError(f"must be one of {', '.join(DISTRIBUTIONS)}, not {quote_value(text)}")
    return text
