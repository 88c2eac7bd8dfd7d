"""The runs that the guidance rests on. Each is a command that anybody can repeat."""

import shlex
from dataclasses import dataclass
from functools import cache

from analysis.guide.text_files import TEXTS, Prose, load_toml

VALUED = ("--out", "--port", "--trials", "--seed", "--database-url")
FLAGS = (
    "--json", "--quiet", "--live", "--report", "--no-report", "--predict", "--no-predict"
)  # fmt: skip
"""Both: options that make no other experiment of it."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """`quick`: what `study guide --check` runs instead, in less time: under its settings the same
    relations hold."""

    name: str
    command: Prose
    quick: Prose


@cache
def load_experiments() -> tuple[Experiment, ...]:
    """Raises UserError."""
    return load_toml(TEXTS / "experiments.toml", dict[str, tuple[Experiment, ...]])["experiments"]


def normalize_command(command: str) -> tuple[str, ...]:
    """What makes the command the experiment that it is."""
    kept, skip = list[str](), False
    for word in shlex.split(command):
        option = word.split("=")[0]
        if not skip and option not in (*VALUED, *FLAGS):
            kept.append(word)
        skip = not skip and option in VALUED and "=" not in word
    return tuple(kept)


def find_experiment(command: str) -> Experiment | None:
    """The one that was run by that command. A quick run has other settings than the text speaks
    of, and is none."""
    words = normalize_command(command)
    return next(
        (each for each in load_experiments() if words == normalize_command(each.command)), None
    )
