"""The guidance: written from recorded runs, or measured again."""

from pathlib import Path
from typing import Annotated

import typer

from scenarios.errors import UserError
from study import guide as guiding
from study import options as o


def guide(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DIR]...",
            help="Run directories, or folders of them; docs/evidence/guidance if none is given.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="The page to write.", show_default="docs/guidance.md")
    ] = guiding.PAGE,
    html: Annotated[
        Path | None, typer.Option(help="Also as a page that prints, such as guidance.html.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Copy there what the page needs of these runs.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Measure again, and say which sentences fail here.")
    ] = False,
    rule: Annotated[
        list[str] | None,
        typer.Option(help="With --check: only this rule. May be given several times."),
    ] = None,
    port: o.Port = 0,
    list_: Annotated[
        bool, typer.Option("--list", help="Show the commands whose runs the guidance is made from.")
    ] = False,
) -> int:
    """Writes docs/guidance.md from recorded runs; --check measures its sentences again."""
    if list_:
        return guiding.show_commands()
    if check:
        if directories:
            raise UserError("--check measures anew: leave the directories out")
        return guiding.GuidanceCheck(guiding.select_rules(rule or []), port).run()
    if rule:
        raise UserError("--rule chooses what --check measures: give --check too")
    return guiding.write_guidance(directories or [guiding.KEPT], out, keep, html)
