"""The runs that the texts rest on. An experiment is a command that any reader can repeat; the texts
quote its run from manifest.json and summary.json alone."""

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import median

from pydantic import TypeAdapter

from analysis.guide.text_files import TEXTS, Prose, load_toml
from analysis.stats import formats
from analysis.summary.model import READABLE_SCHEMAS, CellSummary, parse_cells
from analysis.summary.trials import collect_values, count_error_verdicts, group_completed_trials
from records.files import translate_file_errors, write_whole
from records.parse_json import parse_json
from records.rundir import RunDir, open_run, translate_read_errors
from scenarios.errors import UserError
from scenarios.model import Scenario

VALUED = ("--out", "--port", "--trials", "--seed", "--database-url")
FLAGS = (
    "--json", "--quiet", "--live", "--report", "--no-report", "--predict", "--no-predict"
)  # fmt: skip
"""VALUED and FLAGS: options that do not change which experiment a command is."""
LOG_PATH = re.compile(r' \(full log: [^")]*\)')
"""As in the message of a program that ended."""
UNQUOTED_FIGURES = ("cpu_growth",)
UNQUOTED_CONDITIONS = ("calibrations", "predictions")
"""Half of a summary, and most of a manifest, that no text quotes."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """`quick`: the shorter command that `study guide --check` runs; the same relations hold.
    `client`: the --client of both commands, if the kept runs are older than this option: they name
    neither the option nor, in a scenario's name, the library."""

    name: str
    command: Prose
    quick: Prose
    client: str = ""

    @property
    def recorded_command(self) -> str:
        option = f" --client {self.client}" if self.client else ""
        return self.command.replace(option, "") if option else self.command

    def name_scenario(self, scenario: Scenario) -> Scenario:
        """Name a recorded scenario as `command` names it."""
        name, dot, setting = scenario.name.partition(".")
        library = scenario.client.library if scenario.client else ""
        if not self.client or library != self.client or name.endswith(f"-{library}"):
            return scenario
        return replace(scenario, name=f"{name}-{library}{dot}{setting}")


@cache
def load_experiments() -> tuple[Experiment, ...]:
    """Raises UserError."""
    return load_toml(TEXTS / "experiments.toml", dict[str, tuple[Experiment, ...]])["experiments"]


def normalize_command(command: str) -> tuple[str, ...]:
    """Split the command and drop the options that do not change the experiment."""
    kept, skip = list[str](), False
    for word in shlex.split(command):
        option = word.split("=")[0]
        if not skip and option not in (*VALUED, *FLAGS):
            kept.append(word)
        skip = not skip and option in VALUED and "=" not in word
    return tuple(kept)


def find_experiment(command: str) -> Experiment | None:
    """Return the experiment of that command; None for a quick one, whose settings differ from the
    text's."""
    known = {
        normalize_command(line): each
        for each in load_experiments()
        for line in (each.command, each.recorded_command)
    }
    return known.get(normalize_command(command))


@dataclass(frozen=True, slots=True)
class RecordedScenario:
    """One scenario of one experiment with all its trials. `folder`: name of its run directory."""

    experiment: str
    scenario: Scenario
    trials: tuple[CellSummary, ...]
    command: str
    folder: str

    @property
    def key(self) -> str:
        return f"{self.experiment}/{self.scenario.name}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """Codes of all verdicts above severity info, from any trial."""
        found = (each for cell in self.trials for each in cell.verdicts if each.severity != "info")
        return tuple(dict.fromkeys(each.code for each in found))

    def compute_median(self, figure: str) -> float | None:
        """Compute the median over the trials; None if no trial has the figure."""
        found = collect_values(self.trials, figure)
        return median(found) if found else None


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine of a run."""

    cpu: str = "an unknown processor"
    cores: int = 0
    os: str = "an unknown system"
    python: str = ""

    def __str__(self) -> str:
        system = self.os.split("-")[0]
        cores = formats.count_things(self.cores, "core")
        return f"{cores} of {self.cpu}, {system}, Python {self.python}"


@dataclass(slots=True)
class Records:
    """Recorded runs. Cells are keyed by experiment and scenario: `fair/sync-http-shared`."""

    cells: dict[str, RecordedScenario] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    """The machine of each experiment."""
    runs: list[RunDir] = field(default_factory=list)

    def add_run(self, experiment: str, run: RunDir) -> None:
        """Raises UserError if the experiment is already there, or the run is damaged."""
        if experiment in self.machines:
            raise UserError(
                f"{run.path}: another of these runs is of {experiment!r} too; leave one of them out"
            )
        manifest, trials = run.load_manifest(), group_completed_trials(read_cells(run))
        with translate_read_errors(run.manifest_file):
            environment = manifest.get("environment") or {}
            self.machines[experiment] = TypeAdapter(Machine).validate_python(environment)
            known = TypeAdapter(list[Scenario]).validate_python(manifest.get("scenarios"))
            scenarios = {each.name: each for each in known}
            if unknown := trials.keys() - scenarios.keys():
                raise ValueError(f"it does not describe {min(unknown)}")
        command, folder = str(manifest.get("command", "")), run.path.name
        today = {each.name: each for each in load_experiments()}.get(experiment)
        for name, those in trials.items():
            scenario = today.name_scenario(scenarios[name]) if today else scenarios[name]
            found = RecordedScenario(experiment, scenario, tuple(those), command, folder)
            self.cells[found.key] = found
        self.runs.append(run)

    def get_median(self, key: str, figure: str) -> float | None:
        return self.cells[key].compute_median(figure) if key in self.cells else None

    def list_values(self, key: str, figure: str) -> list[float]:
        """List a figure's values, one per trial that has it."""
        return collect_values(self.cells[key].trials, figure) if key in self.cells else []

    def is_bound(self, key: str, figure: str) -> bool:
        """Return True for a lower bound: half of the background requests of a trial had no
        response."""
        trials = self.cells[key].trials if key in self.cells else ()
        is_latency = figure == "bystander.median_ms"
        return is_latency and any(each.bystander.median_is_lower_bound for each in trials)

    def list_doubts(self, key: str) -> tuple[str, ...]:
        """List the codes of the error verdicts of any of the cell's trials."""
        trials = self.cells[key].trials if key in self.cells else ()
        return tuple(sorted(count_error_verdicts(trials)))


def read_cells(run: RunDir) -> list[CellSummary]:
    """Raises UserError."""
    path = run.path / "summary.json"
    with translate_read_errors(path):
        content = parse_json(path.read_text("utf-8"))
        if not isinstance(content, dict) or content.get("schema") not in READABLE_SCHEMAS:
            known = " or ".join(map(str, READABLE_SCHEMAS))
            raise ValueError(f"not a summary of schema {known}")
        return parse_cells(content.get("cells"))


def find_runs(paths: Sequence[Path]) -> Iterator[RunDir]:
    """Yield the runs. Each path is a run directory or a folder of them. Raises UserError."""
    for path in paths:
        if (path / "manifest.json").is_file():
            yield open_run(path)
            continue
        inside = sorted(each.parent for each in path.glob("*/manifest.json"))
        if not inside:
            raise UserError(f"{path}: not a run directory, and it contains none")
        yield from map(open_run, inside)


def keep_records(records: Records, folder: Path, name: Callable[[RunDir], str | None]) -> None:
    """Copy what the texts need of the runs, in place of earlier copies of the same experiments.
    `name` names the experiment of a run."""
    new = {run.path.name for run in records.runs}
    with translate_file_errors(str(folder)):
        for run in records.runs:
            archive_run(run, folder)
        for old in list(find_runs([folder])):
            is_copy = not (old.path / "cells").exists()
            if is_copy and old.path.name not in new and name(old) in records.machines:
                shutil.rmtree(old.path)


def archive_run(run: RunDir, folder: Path) -> None:
    """Copy what the texts need of a run, its scenarios and the figures of its cells, without the
    paths of logs, which are not copied."""
    kept = folder / run.path.name
    if kept.resolve() == run.path.resolve():
        return
    kept.mkdir(parents=True, exist_ok=True)
    content = json.loads((run.path / "summary.json").read_text("utf-8"))
    manifest = json.loads(run.manifest_file.read_text("utf-8"))
    cells = [drop_keys(each, UNQUOTED_FIGURES) for each in content["cells"]]
    texts = {
        "manifest.json": drop_keys(manifest, UNQUOTED_CONDITIONS),
        "summary.json": {"schema": content["schema"], "cells": cells},
    }
    for file, kept_content in texts.items():
        text = json.dumps(kept_content, separators=(",", ":")) + "\n"
        write_whole(kept / file, LOG_PATH.sub("", text))


def drop_keys(content: Mapping[str, object], keys: Sequence[str]) -> dict[str, object]:
    return {name: value for name, value in content.items() if name not in keys}
