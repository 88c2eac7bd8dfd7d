"""`study guide`: the guidance from recorded runs; and the same sentences measured again."""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill, wrap
from typing import TextIO

from analysis.guide.claims import Judged, all_hold, judged, judged_line
from analysis.guide.decisions import RELATIONS
from analysis.guide.experiments import EXPERIMENTS, Experiment, experiment_of
from analysis.guide.page import broken, guidance
from analysis.guide.printed import printed
from analysis.guide.recorded import Records, keep, runs_in
from analysis.guide.rules import RULES, Rule
from records.rundir import RunDir
from scenarios.problems import Problem
from stress.interruption import Interruption
from stress.stack import ROOT
from study.interrupts import noted

WIDTH = 80
ALL_HOLD, SOME_DO_NOT, INTERRUPTED = 0, 1, 130
KEPT = ROOT / "docs" / "evidence" / "guidance"
LOOK_S = 0.2
TABLE = Rule("table", "The decision table", measured="", do="", relations=RELATIONS)
RECORDED = "results/guidance"
PAGE = ROOT / "docs" / "guidance.md"


def write(paths: Sequence[Path], page: Path, kept: Path | None, html: Path | None = None) -> int:
    """1 where the records do not bear out a sentence: then nothing is written. Raises Problem."""
    records, runs = recorded(paths)
    made = guidance(records)
    texts = {page: made.text}
    if html is not None:
        texts[html] = printed(made.text, "def or async def?")
    code = publish(texts, made.relations, runs, kept)
    for absent in made.missing if code == ALL_HOLD else ():
        tell(f"left out, because it was not measured: {absent}")
    return code


def publish(
    texts: Mapping[Path, str],
    relations: Sequence[Judged],
    runs: Sequence[RunDir],
    kept: Path | None,
) -> int:
    """Writes texts, the first of them by name, and what they rest on; nothing, and 1, where a
    relation fails. Raises Problem."""
    first = next(iter(texts))
    if wrong := broken(relations):
        for each in wrong:
            tell(judged_line(each), sys.stderr)
        print(f"study: {first} is not written: the runs do not bear it out", file=sys.stderr)
        return SOME_DO_NOT
    try:
        for path, text in texts.items():
            path.write_text(text)
        if kept is not None:
            for run in runs:
                keep(run, kept)
    except OSError as error:
        raise Problem(f"{error.filename}: can't be written: {error.strerror}") from error
    held = sum(each.holds is True for each in relations)
    print(f"{first}: {held} sentences hold in {len(runs)} runs")
    return ALL_HOLD


def recorded(paths: Sequence[Path]) -> tuple[Records, list[RunDir]]:
    """Raises Problem for a run that the guidance has no use for."""
    records, runs = Records(), list(runs_in(paths))
    for run in runs:
        command = str(run.manifest().get("command", ""))
        experiment = experiment_of(command)
        if experiment is None:
            raise Problem(
                f"{run.path}: the guidance has no use for a run of {command!r}; "
                "`study guide --list` shows the commands that it is made from"
            )
        records.take(experiment.name, run)
    return records, runs


def show_commands() -> int:
    """For a shell: `study guide --list | sh`."""
    for each in EXPERIMENTS:
        words = f"{each.command} --out {RECORDED}"
        lines = wrap(words, WIDTH - 2, subsequent_indent="    ", break_on_hyphens=False)
        print(" \\\n".join(lines))
    return ALL_HOLD


def rules_called(names: Sequence[str]) -> list[Rule]:
    """All if none is named. Raises Problem."""
    known = {rule.name: rule for rule in (*RULES, TABLE)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Problem(f"--rule {unknown[0]}: no rule has that name; there is {', '.join(known)}")
    return [known[name] for name in names or known]


@dataclass(frozen=True, slots=True)
class Check:
    """Measures again, with quick settings, what the rules rest on."""

    rules: Sequence[Rule]
    port: int

    def run(self) -> int:
        """1 where a sentence does not hold here. Raises Problem."""
        needed = [each for each in EXPERIMENTS if each.name in self.experiments()]
        records = Records()
        with tempfile.TemporaryDirectory(prefix="guide-") as scratch:
            for number, experiment in enumerate(needed, start=1):
                print(f"[{number}/{len(needed)}] {experiment.quick}", file=sys.stderr, flush=True)
                code = self.measure(experiment, Path(scratch) / experiment.name, records)
                if code == INTERRUPTED:
                    return code
        return self.tell(records)

    def experiments(self) -> set[str]:
        return {
            key.split("/")[0]
            for rule in self.rules
            for relation in rule.relations
            for key in relation.cells
        }

    def measure(self, experiment: Experiment, out: Path, records: Records) -> int:
        """The run's exit code. What could not be measured is told, and judged as unknown."""
        words = shlex.split(experiment.quick)[1:]
        command = (
            sys.executable, "-m", "study", *words, "--out", str(out), "--port", str(self.port),
            "--no-predict", "--no-report", "--quiet",
        )  # fmt: skip
        code = run_until_told(command)
        measured = [each.parent for each in out.glob("*/summary.json")]
        for run in runs_in(measured) if code != INTERRUPTED else ():
            records.take(experiment.name, run)
        return code

    def tell(self, records: Records) -> int:
        verdicts: list[Judged] = []
        for rule in self.rules:
            print(f"\n{rule.claim}")
            for relation in rule.relations:
                found = judged(relation, records)
                verdicts.append(found)
                tell(judged_line(found), indent="  ")
        wrong, unknown = broken(verdicts), [each for each in verdicts if each.holds is None]
        held = len(verdicts) - len(wrong) - len(unknown)
        print(f"\n{held} of {len(verdicts)} sentences hold on this machine", end="")
        print(f", {len(unknown)} could not be measured" if unknown else "")
        for each in wrong:
            tell(f"does not hold here: {each.relation.sentence} ({each.relation.because})")
        return ALL_HOLD if all_hold(verdicts) else SOME_DO_NOT


def run_until_told(command: Sequence[str]) -> int:
    """Its exit code. Whoever ends us ends it too, in order."""
    interruption = Interruption()
    with (
        noted(interruption),
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
        ) as process,
    ):
        while True:
            try:
                return process.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                if interruption.reason:
                    process.terminate()


def tell(text: str, file: TextIO | None = None, indent: str = "") -> None:
    told = fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
    print(told, file=file, flush=True)
