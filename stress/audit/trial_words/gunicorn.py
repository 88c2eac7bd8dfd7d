"""gunicorn: the loop option is for its own ASGI worker. The uvicorn worker uses uvloop if
installed, and has no option to change that."""

from stress.audit.trial_words import Options

OPTIONS: Options = {"workers": "--workers", "loop": "--asgi-loop"}
