"""Loads the probe into each Python process of a command: `study audit` and the probe's launcher put
this folder first on PYTHONPATH, and Python imports this module at startup.

The service may start any Python version, so this file runs on all of them. A Python that is too
old for the probe runs without it.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HOME = os.path.dirname(os.path.dirname(HERE))


def watch_imports():
    if not os.environ.get("ASGI_PROBE_DIR") or sys.version_info < (3, 9):
        return
    sys.path.insert(0, HOME)  # this copy, even if another version is installed
    try:
        from asgi_probe import import_hook

        import_hook.install()
    except Exception:
        pass  # the service must start; `study` then reports that no probe is attached
    finally:
        sys.path.remove(HOME)


def import_next():
    """Import the sitecustomize that Python would find without this folder, such as Debian's. Raises
    that module's errors, or ImportError if there is none: Python handles both."""
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
