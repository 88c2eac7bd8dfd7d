"""The options of `study run` and `study sweep` that are about the run, not about a scenario."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from scenarios.options import Setting
from study.options import DEFAULT_OUT, DEFAULT_PORT, Out, Port
from study.scenario_files import is_scenario_file

if TYPE_CHECKING:
    from study.run import RunOptions
    from study.selection import Peers


@dataclass(frozen=True, slots=True)
class RunFlags:
    trials: Annotated[int, Setting("How often each scenario is run.", bounds=(1, 1000))] = 1
    seed: Annotated[
        int | None,
        Setting("Of the order in which several trials are shuffled.", bounds=(0, inf)),
    ] = None
    predict: Annotated[bool, Setting("Calibrate, and say first what theory expects.")] = True
    live: Annotated[bool, Setting("Show the run on a page on loopback while it goes on.")] = False
    report: Annotated[bool, Setting("Draw report.html at the end, in some seconds.")] = True
    peers: Annotated[
        bool,
        Setting(
            "Axum and gin, built when their turn comes; --no-peers leaves their scenarios out."
        ),
    ] = True
    port: Port = DEFAULT_PORT
    out: Out = DEFAULT_OUT
    json: Annotated[bool, Setting("Print summary.json, nothing else.")] = False
    quiet: Annotated[bool, Setting("Print only the table.")] = False


def build_run_options(
    flags: RunFlags, names: Sequence[str], prefix: str = "", *, quick: bool = False
) -> "RunOptions":
    """The run's directory is named after its scenarios. A quick one waits for no compiler."""
    from study.run import RunOptions

    peers: Peers = ("built" if quick else "all") if flags.peers else "none"
    words = [Path(each).stem if is_scenario_file(each) else each for each in names]
    words = words or ["quick" if quick else "all"]
    return RunOptions(
        name=prefix + "-".join(words), command=record_command(sys.argv[1:]),
        trials=flags.trials, port=flags.port, out=flags.out, json_output=flags.json,
        quiet=flags.quiet, seed=flags.seed, predict=flags.predict, live=flags.live,
        report=flags.report, peers=peers,
    )  # fmt: skip


def record_command(argv: Sequence[str]) -> str:
    """What was typed, for the record; without the database's address, which may hold a password."""
    words = ["study", *argv]
    for at, word in enumerate(words):
        if word.startswith("--database-url="):
            words[at] = "--database-url=..."
        elif at and words[at - 1] == "--database-url":
            words[at] = "..."
    return shlex.join(words)
