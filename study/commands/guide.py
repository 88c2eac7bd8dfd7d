"""The guidance: written from recorded runs, or measured again."""

from pathlib import Path
from typing import Annotated

from scenarios.advice import AdviceOptions
from scenarios.errors import UserError
from scenarios.options import Setting, list_given_options
from study import options as o


# fmt: off
@o.declare_command()
def guide(
    *directories: Annotated[Path, Setting(
        "Run directories, or folders of them; docs/evidence/guidance if none is given.",
        name="DIR",
    )],
    out: Annotated[Path | None, Setting(
        "The page as Markdown; in a clone docs/guidance.md if neither this nor --html is given.",
        metavar="FILE",
    )] = None,
    html: Annotated[Path | None, Setting(
        "The page as HTML that prints well, such as guidance.html.", metavar="FILE",
    )] = None,
    keep: Annotated[Path | None, Setting(
        "Copy there what the page needs of these runs.", metavar="FOLDER",
    )] = None,
    check: Annotated[bool, Setting("Measure again, and say which sentences fail here.")] = False,
    rule: Annotated[tuple[str, ...], Setting(
        "With --check: only this rule. May be given several times.", metavar="RULE",
    )] = (),
    port: o.Port = 0,
    list_: Annotated[bool, Setting(
        "Show the commands whose runs the guidance is made from.", name="--list",
    )] = False,
) -> int:
    """Write the guidance from recorded runs, or measure its sentences again.

    For example:
        study guide --html guidance.html
        study guide --check
        study guide --check --rule small-pool
    """
    # fmt: on
    from study import guide as guiding

    if list_:
        return guiding.show_commands()
    if check:
        if directories:
            raise UserError("--check measures anew: leave the directories out")
        return guiding.GuidanceCheck(guiding.select_rules(rule), port).run()
    if rule:
        raise UserError("--rule chooses what --check measures: give --check too")
    return guiding.write_guidance(directories or [guiding.KEPT], out, keep, html)


@o.declare_command()
def advise(
    *,
    options: AdviceOptions = AdviceOptions(),
    html: Annotated[
        Path | None,
        Setting("Write the same as a form, for a browser without a network.", metavar="FILE"),
    ] = None,
) -> int:
    """Should an endpoint be def or async def: the rule, predicted figures, the row of the table.

    For example:
        study advise
        study advise --waits network --delay 300ms --rate 200/s --workers 1
    """
    from study import advise as advising

    if html is not None:
        if list_given_options(options):
            raise UserError("--html writes a form that asks itself: leave the other options out")
        return advising.write_form(html)
    return advising.give_advice(options)
