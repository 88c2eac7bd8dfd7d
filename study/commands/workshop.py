"""The workshop, exercise by exercise."""

import sys
from pathlib import Path
from typing import Annotated

from analysis.guide.exercises import find_exercise
from scenarios.errors import UserError
from scenarios.options import Setting
from study import options as o
from study.recorded_command import record_command
from study.workshop import KEPT, PAGE, WorkshopSession, print_exercises, write_workshop_page


@o.declare_command()
def workshop(
    number: Annotated[
        int | None, Setting("1 to 6; all are listed without.", name="EXERCISE")
    ] = None,
    /,
    *,
    edited: Annotated[bool, Setting("After the edit that the exercise asks for.")] = False,
    prompt: Annotated[bool, Setting("Ask for your prediction first.")] = True,
    page: Annotated[
        tuple[Path, ...],
        Setting(
            "Write docs/workshop.md from these runs (of both forms of each exercise); "
            "may be a folder of them.",
            metavar="DIR",
        ),
    ] = (),
    keep: Annotated[
        Path | None,
        Setting("With --page: copy there what the page needs of the runs.", metavar="FOLDER"),
    ] = None,
    port: o.Port = 0,
    out: o.Out = o.DEFAULT_OUT,
) -> int:
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
