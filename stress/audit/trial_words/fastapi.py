"""`fastapi run`: it uses uvloop if installed, and has no option to change that."""

from stress.audit.trial_words import Options

OPTIONS: Options = {"workers": "--workers"}
