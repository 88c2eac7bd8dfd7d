"""gunicorn: the loop is that of its own ASGI worker. uvicorn's takes uvloop by itself where that is
installed, and no word changes it."""

from stress.audit.trial_words import Options

OPTIONS: Options = {"workers": "--workers", "loop": "--asgi-loop"}
