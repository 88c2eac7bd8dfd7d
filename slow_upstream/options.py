"""The command line, checked as a whole before anything is opened."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from slow_upstream.checks import (
    MAX_WAIT_MS,
    RefusedValueError,
    SlowUpstreamError,
    parse_fraction,
    parse_whole_number,
    quote_value,
)
from slow_upstream.delays import DISTRIBUTIONS

MAX_SEED = 2**63 - 1


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
    """Raise SlowUpstreamError, which names the option and its value, for anything not allowed."""
    parser = _Parser(
        prog="slow-upstream",
        description="An HTTP server that waits before it answers: GET /?waitms=1000",
        allow_abbrev=False,
    )
    number, text = _make_number_parser, _require_text
    parser.add_argument("--host", type=text, default="127.0.0.1")
    parser.add_argument("--port", type=number(65_535), default=8090, help="0: the OS picks one")
    parser.add_argument(
        "--default-ms", type=number(MAX_WAIT_MS), default=1000, help="without waitms"
    )
    parser.add_argument(
        "--distribution",
        type=_check_distribution,
        default="constant",
        metavar="|".join(DISTRIBUTIONS),
        help="waits vary like this around a mean of waitms",
    )
    parser.add_argument("--seed", type=number(MAX_SEED), default=1)
    parser.add_argument(
        "--error-rate", type=parse_fraction, default=0.0, help="share of planned 500s, 0 to 1"
    )
    parser.add_argument("--log", type=text, metavar="FILE", help="CSV, rewritten")
    return Options(**vars(parser.parse_args(argv)))


def _make_number_parser(highest: int) -> Callable[[str], int]:
    return lambda text: parse_whole_number(text, highest)


def _require_text(text: str) -> str:
    # An empty host would mean every interface of the machine.
    if not text:
        raise RefusedValueError(f"must not be empty, not {quote_value(text)}")
    return text


def _check_distribution(text: str) -> str:
    if text not in DISTRIBUTIONS:
        names = ", ".join(DISTRIBUTIONS)
        raise RefusedValueError(f"must be one of {names}, not {quote_value(text)}")
    return text
