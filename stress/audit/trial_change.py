"""What a trial changes: a word of the command, or a variable that the probe reads."""

import json
from collections.abc import Sequence
from dataclasses import replace

from records.audit import AttachedProcess
from records.trial import Trial
from scenarios.errors import UserError
from stress.audit.command import AuditedCommand
from stress.audit.trial_words import find_server, load_options

TRIAL_VARIABLE = "ASGI_PROBE_TRIAL"
NUMBERS = ("pool", "executor")
BY_COMMAND = ("loop", "workers")


def change_command(command: AuditedCommand, trial: Trial) -> AuditedCommand:
    """The command of the rounds after the change. Raises UserError where nobody knows how."""
    if trial.kind not in BY_COMMAND:
        value = int(trial.value) if trial.kind in NUMBERS else trial.value
        variable = (TRIAL_VARIABLE, json.dumps({trial.kind: value}))
        return replace(command, variables=(*command.variables, variable))
    server = find_server(command.argv)
    if server is None:
        raise UserError(
            f"--try {trial}: only a command of {', '.join(load_options())} can be changed, and "
            "yours names none of them; leave this --try out"
        )
    option = load_options()[server].get(trial.kind)
    if option is None:
        raise UserError(
            f"--try {trial}: {server} has no option for its {trial.kind}; leave this --try out"
        )
    return replace(command, argv=(*command.argv, f"{option}={trial.value}"))


def runs_so(trial: Trial, workers: Sequence[AttachedProcess]) -> bool | None:
    """Whether a service runs as the trial has it. None of what the probe changes: it reports that
    itself."""
    if trial.kind == "loop":
        return bool(workers) and all(trial.value in each.loop for each in workers)
    return len(workers) == int(trial.value) if trial.kind == "workers" else None
