"""A plugin of pytest for suites of other projects: the probe in front of every app (variable
PROBE_JOURNALS, a folder), and the outcome of each test in a file (variable OUTCOMES).

The probe stands where a test client or an ASGI transport calls the app, so that the tests still see
their own app objects.
"""

import json
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

CALLERS = (
    ("starlette.testclient", "_TestClientTransport"),
    ("httpx", "ASGITransport"),
    ("httpx2", "ASGITransport"),
)
outcomes: dict[str, str] = {}


def put_in_front(module: str, name: str, journals: Path) -> None:
    try:
        caller = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        return
    from asgi_probe import Probe

    begin: Callable[..., None] = caller.__init__

    def begin_with_probe(self: object, app: object, *arguments: object, **named: object) -> None:
        begin(self, Probe(app, journals), *arguments, **named)  # type: ignore[arg-type]

    caller.__init__ = begin_with_probe


async def no_app(*_: object) -> None: ...


def pytest_configure() -> None:
    if journals := os.environ.get("PROBE_JOURNALS"):
        from asgi_probe import Probe

        Probe(no_app, Path(journals))  # instruments the pool, too
        for module, name in CALLERS:
            put_in_front(module, name, Path(journals))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The worst of setup, call and teardown counts."""
    known = outcomes.get(report.nodeid)
    if report.when == "call" or report.outcome != "passed":
        outcomes[report.nodeid] = report.outcome if known in (None, "passed") else known


def pytest_sessionfinish() -> None:
    Path(os.environ["OUTCOMES"]).write_text(json.dumps(outcomes, indent=1, sort_keys=True))
