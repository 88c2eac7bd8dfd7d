"""Puts the probe into each Python process of an audited command: `study audit` puts this folder
first on PYTHONPATH, and Python imports this module when it starts.

The service may start any Python, so this file is written for all of them, and the one that finds
the probe too new for it goes on without.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def watch_imports():
    if not os.environ.get("ASGI_PROBE_DIR") or sys.version_info < (3, 9):
        return
    sys.path.insert(0, HERE)  # ours, even where another version is installed
    try:
        from asgi_probe import import_hook

        import_hook.install()
    except Exception:
        pass  # the service must start; that nothing was attached is what the audit then says
    finally:
        sys.path.remove(HERE)


def import_next():
    """Imports the sitecustomize that Python would have found without this folder, such as
    Debian's. Raises what it raises, ImportError where there is none: Python expects both."""
    at = [each for each in sys.path if os.path.abspath(each) == HERE]
    sys.path[:] = [each for each in sys.path if each not in at]
    sys.modules.pop("sitecustomize", None)
    try:
        __import__("sitecustomize")
    finally:
        sys.path[:0] = at


watch_imports()
if sys.version_info[0] > 2:  # Python 2 empties a module that is no longer in sys.modules
    import_next()
