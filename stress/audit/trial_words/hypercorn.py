"""hypercorn: the worker class sets the event loop."""

from stress.audit.trial_words import Options

OPTIONS: Options = {"workers": "--workers", "loop": "--worker-class"}
