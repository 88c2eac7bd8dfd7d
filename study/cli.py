"""The command line: its commands, and how each of their ends becomes an exit code."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.help import DefaultFormatter, PanelSpec
from rich.box import Box

from scenarios.errors import UserError

COMMANDS = {
    "Study": {
        "run": (
            "measure:run",
            "Runs scenarios: a fresh server for each, a row as each ends, reports at the end.",
        ),
        "list": (
            "reading:list_scenarios",
            "Scenarios by group: the question each asks, and what to expect.",
        ),
        "predict": (
            "theory:predict",
            "What queueing theory and simulation say, before anything runs: rates, latencies, "
            "limits.",
        ),
        "sweep": (
            "sweep:sweep",
            "Runs scenarios with one setting at several values, and says where more stops paying.",
        ),
        "capacity": (
            "capacity:capacity",
            "Finds the highest rate that is sustained, and the latency at 50, 70 and 90 % of it.",
        ),
    },
    "Recorded runs": {
        "report": ("reading:report", "Makes every report of a run again, from its records."),
        "compare": (
            "reading:compare",
            "Is run B different from run A: figure by figure, with what chance alone would make.",
        ),
    },
    "Teaching": {
        "workshop": (
            "workshop:workshop",
            "An exercise: your prediction, the run, and both beside what theory says.",
        ),
        "guide": (
            "guide:guide",
            "Writes docs/guidance.md from recorded runs; --check measures its sentences again.",
        ),
    },
    "By hand": {
        "doctor": (
            "reading:doctor",
            "Can this machine run the study: ports, descriptors, cores, toolchains, versions.",
        ),
        "serve": (
            "measure:serve",
            "Holds up the classic stack, upstream and server, until Ctrl-C.",
        ),
        "upstream": (
            "processes:upstream",
            "Runs the slow upstream by hand; further options are its own (--port, --distribution "
            "...).",
        ),
        "load-worker": (
            "processes:load_worker",
            "Sends load for a study on another machine, cell after cell, until Ctrl-C.",
        ),
        "probe": (
            "processes:probe",
            "Serves any ASGI app under the probe, and says what it saw when you end it.",
        ),
    },
}
"""Where each is found in study/commands, which is imported when it is asked for; and its help."""
OPEN = Box("    \n" * 8)
"""Panels of the help have a title and no lines."""
WRONG_USE, CANNOT = 2, 3


def build_app() -> App:
    app = App(
        name="study",
        help_flags=["--help"],
        help_formatter=DefaultFormatter(panel_spec=PanelSpec(box=OPEN, padding=(0, 0, 0, 3))),
        help="What a web endpoint does with its threads and its event loop: measured.",
        version_flags=[],
        help_format="plaintext",
        default_parameter=Parameter(negative_iterable=(), allow_repeating=True),
        suppress_keyboard_interrupt=False,
    )
    app["--help"].show = False
    for place, (title, commands) in enumerate(COMMANDS.items()):
        group = Group(title, sort_key=place)
        for row, (name, (found_at, text)) in enumerate(commands.items()):
            app.command(
                f"study.commands.{found_at}", name=name, help=text, group=group, sort_key=row
            )
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; errors that a user can cause are one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if not given:
            raise UserError("Missing command. `study --help` lists the commands.")
        code = build_app()(
            given,
            exit_on_error=False,
            print_error=False,
            verbose=False,
            result_action="return_value",
        )
    except UserError as problem:
        print(f"study: {problem}", file=sys.stderr)
        return problem.exit_code
    except CycloptsError as error:
        print(f"study: {' '.join(str(error).split())}", file=sys.stderr)
        return WRONG_USE
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        print(f"study: cannot go on: {error.strerror or error}:{where}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0
