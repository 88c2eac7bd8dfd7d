"""The options of `study run` and `study sweep` for the run, not for a scenario."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from scenarios.options import Setting
from study.options import DEFAULT_OUT, DEFAULT_PORT, Out, Port
from study.scenario_files import is_scenario_file

if TYPE_CHECKING:
    from study.run import RunOptions
    from study.selection import Peers


SECRET = "--database-url"
SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class RunFlags:
    trials: Annotated[
        int, Setting("Number of trials of each scenario, in shuffled rounds.", bounds=(1, 1000))
    ] = 1
    seed: Annotated[
        int | None,
        Setting(
            "Random seed for the order of the trials; drawn if not given.", bounds=(0, SEEDS - 1)
        ),
    ] = None
    predict: Annotated[bool, Setting("Calibration and prediction before each scenario.")] = True
    live: Annotated[bool, Setting("Live page of the run on this machine.")] = False
    report: Annotated[bool, Setting("Page report.html at the end.")] = True
    peers: Annotated[
        bool, Setting("Scenarios of the Axum and gin servers too, which are compiled once.")
    ] = True
    port: Port = DEFAULT_PORT
    out: Out = DEFAULT_OUT
    json: Annotated[bool, Setting("Only summary.json on stdout.")] = False
    quiet: Annotated[bool, Setting("Only the table at the end.")] = False


def build_run_options(
    flags: RunFlags, names: Sequence[str], prefix: str = "", *, quick: bool = False
) -> "RunOptions":
    """Name the run directory after the scenarios. A quick run never waits for a compiler."""
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
    """Return the command line for the record, without the database's address and its password."""
    words = ["study", *argv]
    for at, word in enumerate(words):
        name, equals, _ = word.partition("=")
        if name.replace("_", "-") != SECRET:  # the command line takes both spellings
            continue
        if equals:
            words[at] = f"{name}=..."
        elif words[at + 1 :]:
            words[at + 1] = "..."
    return shlex.join(words)
