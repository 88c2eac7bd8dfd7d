"""Applies a trial's change: an option of the command, or a variable that the probe reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from records.audit import AttachedProcess
from records.trial import Side, Trial, TrialKind
from scenarios.errors import UserError
from stress.audit.command import AuditedCommand
from stress.audit.reports import TrialReport
from stress.audit.trial_words import find_server, load_options

TRIAL_VARIABLE = "ASGI_PROBE_TRIAL"
NUMBERS = ("pool", "executor")
BY_COMMAND = ("loop", "workers")
WARNINGS: Mapping[TrialKind, tuple[str, ...]] = {
    "pool": ("what the threads call, such as a database, gets as many calls at once",),
    "workers": ("each worker has its own memory, so that they share no cache and no counter",),
}
"""Clauses: what may go wrong with the change although it measures well."""


def change_command(command: AuditedCommand, trial: Trial) -> AuditedCommand:
    """Return the changed command. Raises UserError if the server has no such option."""
    if trial.kind not in BY_COMMAND:
        value = int(trial.value) if trial.kind in NUMBERS else trial.value
        variable = (TRIAL_VARIABLE, json.dumps({trial.kind: value}))
        return replace(command, variables=(*command.variables, variable))
    server = find_server(command.argv)
    if server is None:
        known = ", ".join(load_options())
        raise UserError(f"{trial}: needs a command with one of {known}; yours has none")
    option = load_options()[server].get(trial.kind)
    if option is None:
        raise UserError(f"{trial}: {server} has no such option")
    return replace(command, argv=(*command.argv, f"{option}={trial.value}"))


def find_fault(
    trial: Trial, side: Side, workers: Sequence[AttachedProcess], report: TrialReport
) -> str | None:
    """Return a clause that says why a round is inconclusive, or None. workers: those that served.
    report: of a change that the probe applies."""
    if trial.kind not in BY_COMMAND:
        return None if side == "before" else report.invalid
    if runs_so(trial, workers):
        return "the service runs this way without it" if side == "before" else None
    return "the service does not run this way with it" if side == "after" else None


def runs_so(trial: Trial, workers: Sequence[AttachedProcess]) -> bool:
    if trial.kind == "loop":
        return bool(workers) and all(trial.value in each.loop for each in workers)
    return len(workers) == int(trial.value)
