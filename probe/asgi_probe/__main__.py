"""The command line of the probe: `python -m asgi_probe run -- uvicorn main:app`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .launch import LaunchError, launch

WRONG_USE = 2


class OneLineParser(ArgumentParser):
    """Parser that reports wrong use in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print one line to stderr and end with code 2."""
        print(f"asgi-probe: {message}", file=sys.stderr)
        sys.exit(WRONG_USE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of the probe; return its exit code: 0, or 2 for wrong use."""
    parser, words = build_parser(), list(sys.argv[1:] if arguments is None else arguments)
    at = words.index("--") if "--" in words else len(words)
    given = parser.parse_args(words[:at])
    try:
        launch(words[at + 1 :], given.directory, {})
    except LaunchError as error:
        parser.error(str(error))
    return 0


def build_parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m asgi_probe",
        description="Show what an ASGI service does with its threads, pools and event loop.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run", help="start a service with the probe",
        usage="python -m asgi_probe run [--directory DIR] -- COMMAND ...",
        description="Start a service with the probe. It keeps this process's pid and signals.",
    )  # fmt: skip
    run.add_argument(
        "--directory", type=Path, metavar="DIR",
        help="folder for the journals; asgi-probe-<UTC time> if not given",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
