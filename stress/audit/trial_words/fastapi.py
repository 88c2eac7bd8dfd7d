"""`fastapi run`: it takes uvloop by itself where that is installed, and no word changes it."""

from stress.audit.trial_words import Options

OPTIONS: Options = {"workers": "--workers"}
