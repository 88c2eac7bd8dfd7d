"""hypercorn: the loop is a kind of worker."""

from stress.audit.trial_words import Options

OPTIONS: Options = {"workers": "--workers", "loop": "--worker-class"}
