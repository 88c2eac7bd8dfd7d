"""`--try`: rounds of the user's service without and with a change, in turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from shutil import rmtree

from analysis.findings import find_all, load_audit_evidence
from records.rundir import RunDir, translate_write_errors
from records.trial import LEAST_OF_EACH, Side, Trial, TrialRecord, TrialRound, parse_trial
from scenarios.errors import UserError
from scenarios.units import Second
from stress.audit.command import AuditedCommand
from stress.audit.driven import Show
from stress.audit.trial_change import WARNINGS, change_command, find_fault
from stress.audit.trial_round import FinishedRound, RoundLoad, run_round
from study.trial_options import TrialOptions

AUTO, MOST_AUTO = "auto", 3
"""MOST_AUTO: three trials take three minutes."""
SIDES: tuple[Side, Side] = ("before", "after")


@dataclass(frozen=True, slots=True)
class TrialOrder:
    """The trials as ordered. is_auto: the cures of the findings too. rounds: of each side."""

    trials: tuple[Trial, ...] = ()
    is_auto: bool = False
    rounds: int = LEAST_OF_EACH

    @property
    def is_asked(self) -> bool:
        return bool(self.trials) or self.is_auto


class InvalidTrialError(Exception):
    """A trial without a valid result; its message is the reason. The next trial still runs."""


def read_trial_order(
    typed: TrialOptions, command: AuditedCommand | None, is_asked: bool
) -> TrialOrder:
    """is_asked: the audit sends requests. Raises UserError for an impossible trial, before anything
    starts."""
    if not typed.changes:
        if typed.rounds is not None:
            raise UserError("--rounds: only with --try, such as --try pool=100")
        return TrialOrder()
    if command is None or not is_asked:
        raise UserError(
            "--try starts your service and sends it requests: leave out --url, --plan and "
            "--drive none"
        )
    trials = tuple(dict.fromkeys(parse_trial(each) for each in typed.changes if each != AUTO))
    for each in trials:
        try:
            change_command(command, each)
        except UserError as error:
            raise UserError(f"--try {error}; leave it out") from error
    return TrialOrder(trials, AUTO in typed.changes, typed.rounds or LEAST_OF_EACH)


def choose_trials(
    order: TrialOrder, command: AuditedCommand, directory: RunDir, show: Show
) -> tuple[Trial, ...]:
    """Return the user's trials and, with auto, the cures of the worst findings."""
    if not order.is_auto:
        return order.trials
    found = find_all(load_audit_evidence(directory)).findings
    cures = dict.fromkeys(each.cure.trial for each in found if each.cure and each.cure.trial)
    possible = []
    for text in cures:
        try:
            each = parse_trial(text)
            change_command(command, each)
        except UserError as error:
            show(f"--try {AUTO} leaves out {error}")
        else:
            possible.append(each)
    if len(possible) > MOST_AUTO:
        left = ", ".join(map(str, possible[MOST_AUTO:]))
        show(f"--try {AUTO} measures the first {MOST_AUTO} cures; give --try for others: {left}")
    if not possible:
        show(f"--try {AUTO}: no finding has a cure that can be measured without an edit")
    return tuple(dict.fromkeys((*order.trials, *possible[:MOST_AUTO])))


@dataclass(slots=True)
class TrialRunner:
    """rounds: of each side. keep: saves `records` after each round."""

    command: AuditedCommand
    load: RoundLoad
    directory: RunDir
    rounds: int
    show: Show
    keep: Callable[[], None]
    records: list[TrialRecord] = field(default_factory=list)

    def run(self, trials: Sequence[Trial], round_s: Second) -> None:
        """round_s: estimated length of a round, for the message. Raises UserError if nothing can be
        saved, CellInterruptedError; finished rounds are kept."""
        count = 2 * self.rounds * len(trials)
        self.show(
            f"{', '.join(map(str, trials))}: {self.rounds} rounds without and {self.rounds} with "
            f"the change{'' if len(trials) == 1 else ' each'}, about {count * round_s:.0f} s. Your "
            "service starts again for each round."
        )
        for each in trials:
            self.records.append(TrialRecord(str(each), warnings=WARNINGS.get(each.kind, ())))
            with translate_write_errors(self.directory.path, f"the trial {each}"):
                self.keep()
                self.run_trial(each)

    def run_trial(self, trial: Trial) -> None:
        try:
            self.try_change(trial)
        except InvalidTrialError as error:
            self.update(replace(self.records[-1], invalid=str(error)))
            self.show(f"{trial} is not a valid trial: {error}")

    def try_change(self, trial: Trial) -> None:
        """Raises InvalidTrialError, CellInterruptedError."""
        changed = change_command(self.command, trial)
        for number in range(1, self.rounds + 1):
            for side, command in zip(SIDES, (self.command, changed), strict=True):
                self.show(f"{trial}, round {number} of {self.rounds}, {side}")
                name = f"trial-{len(self.records)}-{number}-{side}"
                done = self.run_round(trial, side, command, name)
                one = TrialRound(side, name, done.began_s, done.ended_s, done.memory_mb)
                known = self.records[-1]
                warnings = tuple(dict.fromkeys((*known.warnings, *done.report.warnings)))
                self.update(replace(known, rounds=(*known.rounds, one), warnings=warnings))

    def run_round(
        self, trial: Trial, side: Side, command: AuditedCommand, name: str
    ) -> FinishedRound:
        """Run one round; a round that fails leaves no cell behind."""
        cell = self.directory.open_cell(name)
        try:
            done = run_round(command, cell.raw, self.load)
            fault = find_fault(trial, side, done.workers, done.report)
            if fault is not None:
                raise InvalidTrialError(fault)
            cell.save_table("asked", done.rows)
        except UserError as error:
            self.show(str(error))  # never recorded: it may hold a secret of the service
            change = f"with {trial}" if side == "after" else "again"
            said = f"the service could not be started or called {change}"
            raise InvalidTrialError(said) from error
        finally:
            if not cell.has_table("asked"):
                rmtree(cell.path, ignore_errors=True)
        return done

    def update(self, record: TrialRecord) -> None:
        self.records[-1] = record
        self.keep()
