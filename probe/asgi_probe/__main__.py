"""The command line of the probe: `python -m asgi_probe run -- uvicorn main:app`, and `top`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .addresses import LISTEN_VARIABLE, parse_address
from .errors import WRONG_USE, UsageError, print_message
from .launch import launch
from .relay import listen
from .top import show_top


class OneLineParser(ArgumentParser):
    """Parser that reports wrong use in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print one line to stderr and end with code 2."""
        self.exit(WRONG_USE, f"asgi-probe: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of the probe. Return the exit code: 0; 2 for wrong use; 3 if it cannot be
    done, as on a terminal without rich; 4 if the output cannot be written."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    at = words.index("--") if "--" in words else len(words)
    given = build_parser().parse_args(words[:at])
    try:
        if given.name == "top":
            show_top(given.target, once=given.once)
        else:
            check_here()
            launch(words[at + 1 :], given.directory, choose_address(given.socket, given.listen))
    except UsageError as error:
        print_message(str(error))
        return error.exit_code
    return 0


def check_here() -> None:
    """Raises UsageError."""
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError("this folder was removed; change to another one") from error


def choose_address(path: str | None, address: str | None) -> dict[str, str]:
    """Return the variable that the probe reads. Raises UsageError."""
    text = address or (str(Path(path).absolute()) if path else None)
    if text is None:
        return {}
    try:
        with listen(parse_address(text)):
            return {LISTEN_VARIABLE: text}
    except OSError as error:
        raise UsageError(f"{text}: cannot listen there: {error.strerror or error}") from error


def build_parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m asgi_probe",
        description="Show what an ASGI service does with its threads, pools and event loop.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="name")
    add_run_options(
        commands.add_parser(
            "run", help="start a service with the probe",
            usage="python -m asgi_probe run [OPTION ...] -- COMMAND ...",
            description="Start a service with the probe. It keeps this process's pid and signals.",
        )
    )  # fmt: skip
    top = commands.add_parser(
        "top", help="show what a running service does",
        description="Show routes, requests in flight, waits for the thread pool and what blocks "
        "the event loop, once per second until Ctrl-C.",
    )  # fmt: skip
    top.add_argument(
        "target", metavar="DIR|FILE|SOCKET|HOST:PORT",
        help="the launcher's folder, one of its journals, or its --socket or --listen",
    )  # fmt: skip
    top.add_argument("--once", action="store_true", help="print one view and end")
    return parser


def add_run_options(run: ArgumentParser) -> None:
    run.add_argument(
        "--directory", type=Path, metavar="DIR",
        help="folder for the journals, which `study report DIR` reads, and to which the service's "
        "user may write; asgi-probe-<UTC time> if not given",
    )  # fmt: skip
    for_top = run.add_mutually_exclusive_group()
    for_top.add_argument("--socket", metavar="PATH", help="Unix socket for `top`")
    for_top.add_argument(
        "--listen", metavar="[HOST:]PORT", help="TCP address for `top`; the loopback without HOST"
    )


if __name__ == "__main__":
    sys.exit(main())
