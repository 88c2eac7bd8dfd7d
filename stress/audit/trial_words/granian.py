"""granian."""

from stress.audit.trial_words import Options

OPTIONS: Options = {"workers": "--workers", "loop": "--loop"}
