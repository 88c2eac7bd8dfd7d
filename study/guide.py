"""`study guide`: writes the guidance from recorded runs, or checks it by new runs."""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TextIO

from analysis.guide.advice_page import render_advice_form
from analysis.guide.page import build_guidance, render_print_page
from analysis.guide.recorded import (
    Experiment,
    Records,
    find_experiment,
    find_runs,
    keep_records,
    load_experiments,
)
from analysis.guide.relations import (
    RelationResult,
    judge_relation,
    render_relation_result,
    select_broken,
)
from analysis.guide.rules import Rule, load_checked_rules
from analysis.report.table import WIDTH, wrap_note
from records.files import translate_file_errors, write_whole
from records.rundir import RunDir
from scenarios.errors import ALL_WELL, CANNOT, INTERRUPTED, NOT_AS_EXPECTED, UserError
from stress.interruption import record_signals
from stress.places import IS_CLONE, ROOT
from stress.processes import bind_to_us
from study.messages import print_message, show_activity
from study.paths import format_path
from study.progress import choose_display

KEPT = ROOT / "docs" / "evidence" / "guidance"
LOOK_S = 0.2
RECORDED = "results/guidance"
TRIALS = 5
"""Of each run that a text quotes: fewer trials give no confidence interval."""
PAGE = ROOT / "docs" / "guidance.md"


def write_guidance(
    paths: Sequence[Path], page: Path | None, kept: Path | None, html: Path | None = None
) -> int:
    """page: as Markdown, docs/guidance.md by default unless only `html` is given. Returns
    NOT_AS_EXPECTED, and writes nothing, if the records contradict a sentence. Raises UserError."""
    if page is None and html is None and not IS_CLONE:
        raise UserError("name the page to write: --out guidance.md or --html guidance.html")
    with show_activity("reading the records"):
        records = load_records(paths)
    made = build_guidance(records)
    texts = {} if page is None and html is not None else {page or PAGE: made.text}
    if html is not None:
        texts[html] = render_print_page(
            made.text, "def or async def?", render_advice_form(records, guidance="")
        )
    keep = None if kept is None else partial(keep_records, records, kept, name_experiment)
    code = publish_texts(texts, made.relations, records, keep)
    for absent in made.missing if code == ALL_WELL else ():
        print_wrapped(f"left out because it was not measured: {absent}")
    return code


def publish_texts(
    texts: Mapping[Path, str],
    relations: Sequence[RelationResult],
    records: Records,
    keep: Callable[[], None] | None,
) -> int:
    """Write the texts, and keep their records. If a relation fails, write nothing and return
    NOT_AS_EXPECTED. Raises UserError."""
    if wrong := select_broken(relations):
        for each in wrong:
            print_wrapped(render_relation_result(each), sys.stderr)
        names = " and ".join(format_path(each) for each in texts)
        print_message(f"{names}: not written, because the runs contradict the sentences above")
        return NOT_AS_EXPECTED
    for path, text in texts.items():
        with translate_file_errors(format_path(path)):
            write_whole(path, text)
    if keep is not None:
        keep()
    held = sum(each.holds is True for each in relations)
    print(*(format_path(each) for each in texts), sep="\n")
    print(f"The records of {len(records.runs)} runs confirm all {held} sentences.")
    return ALL_WELL


def load_records(paths: Sequence[Path]) -> Records:
    """Raises UserError for a run that the guidance does not use."""
    records = Records()
    for run in find_runs(paths):
        name = name_experiment(run)
        if name is None:
            command = str(run.load_manifest().get("command", ""))
            raise UserError(
                f"{run.path}: the guidance does not use a run of {command!r}; "
                "`study guide --list` shows the commands that it uses"
            )
        records.add_run(name, run)
    return records


def name_experiment(run: RunDir) -> str | None:
    experiment = find_experiment(str(run.load_manifest().get("command", "")))
    return None if experiment is None else experiment.name


def show_commands() -> int:
    """Print the commands for a shell: `study guide --list | sh`."""
    for each in load_experiments():
        print(wrap_command(f"{each.command} --trials {TRIALS} --out {RECORDED}"))
    return ALL_WELL


def select_rules(names: Sequence[str]) -> list[Rule]:
    """Return the named rules, or all if none is named. Raises UserError."""
    known = {rule.name: rule for rule in load_checked_rules()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"--rule {unknown[0]}: there is no such rule; give {', '.join(known)}")
    return [known[name] for name in names or known]


@dataclass(frozen=True, slots=True)
class GuidanceCheck:
    """New runs, with quick settings, that check the rules."""

    rules: Sequence[Rule]
    port: int

    def run(self) -> int:
        """Return NOT_AS_EXPECTED if a sentence does not hold here, else CANNOT if one was not
        measured. Raises UserError."""
        relations = [each for rule in self.rules for each in rule.relations]
        names = {key.split("/")[0] for each in relations for key in each.cells}
        needed = [each for each in load_experiments() if each.name in names]
        records = Records()
        with tempfile.TemporaryDirectory(prefix="guide-") as scratch:
            for number, experiment in enumerate(needed, start=1):
                with closing(choose_display(quiet=False, rows=False)) as display:
                    display.show_activity(f"[{number}/{len(needed)}] {experiment.quick}")
                    folder = Path(scratch) / experiment.name
                    code = self.measure_experiment(experiment, folder, records)
                if code == INTERRUPTED:
                    return code
        return self.print_verdicts(records)

    def measure_experiment(self, experiment: Experiment, out: Path, records: Records) -> int:
        """Return the run's exit code. A sentence without measurements is judged as unknown."""
        words = shlex.split(experiment.quick)[1:]
        command = (
            sys.executable, "-m", "study", *words, "--out", str(out), "--port", str(self.port),
            "--no-predict", "--no-report", "--quiet",
        )  # fmt: skip
        code = run_interruptible(command)
        measured = [each.parent for each in out.glob("*/summary.json")]
        for run in find_runs(measured) if code != INTERRUPTED else ():
            records.add_run(experiment.name, run)
        return code

    def print_verdicts(self, records: Records) -> int:
        verdicts: list[RelationResult] = []
        for rule in self.rules:
            print(f"\n{rule.claim}")
            for relation in rule.relations:
                found = judge_relation(relation, records)
                verdicts.append(found)
                print_wrapped(render_relation_result(found), indent="  ")
        wrong, unknown = select_broken(verdicts), [each for each in verdicts if each.holds is None]
        held = len(verdicts) - len(wrong) - len(unknown)
        print(f"\n{held} of {len(verdicts)} sentences hold on this machine", end="")
        print(f", {len(unknown)} could not be measured" if unknown else "")
        for each in wrong:
            print_wrapped(f"does not hold here: {each.relation.sentence} ({each.relation.because})")
        if wrong:
            return NOT_AS_EXPECTED
        return CANNOT if unknown else ALL_WELL


def run_interruptible(command: Sequence[str]) -> int:
    """Run a command and return its exit code; INTERRUPTED after a signal to this process. The
    command gets one SIGTERM only: its handler may be gone when a second one arrives."""
    asked = False
    with (
        record_signals() as interruption,
        subprocess.Popen(
            bind_to_us(command), cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
        ) as process,
    ):
        while True:
            try:
                code = process.wait(LOOK_S)
                return INTERRUPTED if interruption.reason else code
            except subprocess.TimeoutExpired:
                if interruption.reason and not asked:
                    process.terminate()
                    asked = True


def wrap_command(command: str) -> str:
    """Wrap a command into shell lines that fit a terminal."""
    lines = wrap(command, WIDTH - 2, subsequent_indent="    ", break_on_hyphens=False)
    return " \\\n".join(lines)


def print_wrapped(text: str, file: TextIO | None = None, indent: str = "") -> None:
    print("\n".join(wrap_note(text, indent)), file=file, flush=True)
