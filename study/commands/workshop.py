"""The workshop, exercise by exercise."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from analysis.guide.exercises import find_exercise
from scenarios.errors import UserError
from study import options as o
from study.commands.measure import record_command
from study.workshop import KEPT, PAGE, WorkshopSession, print_exercises, write_workshop_page


def workshop(
    number: Annotated[
        int | None, typer.Argument(metavar="[EXERCISE]", help="1 to 6; all are listed without.")
    ] = None,
    edited: Annotated[
        bool, typer.Option("--edited", help="After the edit that the exercise asks for.")
    ] = False,
    prompt: Annotated[
        bool, typer.Option("--prompt/--no-prompt", help="Ask for your prediction first.")
    ] = True,
    page: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write docs/workshop.md from these runs (of both forms of each exercise); "
            "may be a folder of them."
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="With --page: copy there what the page needs of the runs.")
    ] = None,
    port: o.Port = 0,
    out: o.Out = o.DEFAULT_OUT,
) -> int:
    """An exercise: your prediction, the run, and both beside what theory says."""
    if page or keep:
        if number is not None or edited:
            raise UserError("--page writes docs/workshop.md: leave the exercise out")
        return write_workshop_page(page or [KEPT], PAGE, keep)
    if number is None:
        if edited:
            raise UserError("--edited: of which exercise? study workshop 1 --edited")
        return print_exercises()
    return WorkshopSession(
        find_exercise(number), edited, prompt, port, out, record_command(sys.argv[1:])
    ).run_session()
