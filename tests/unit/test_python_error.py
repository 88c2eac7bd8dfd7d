"""Python's error about an app, from its server's log."""

from pathlib import Path

import pytest

from scenarios.catalogue import select_scenarios
from stress.python_error import list_paths, select_error

FOLDER = Path("/home/a/study")
AWAITED = """
[2026-11-29 04:50:00 +0000] [77] [ERROR] Exception in ASGI application
Traceback (most recent call last):
  File "/home/a/study/.venv/site-packages/uvicorn/protocols/http/h11_impl.py", line 403, in run
    result = await app(
             ^^^^^^^^^^
  File "/home/a/study/app/endpoints.py", line 32, in async_http_sync
    return PlainTextResponse(await upstream.fetch())
                             ^^^^^^^^^^^^^^^^^^^^^^
TypeError: object bytes can't be used in 'await' expression
"""
IN_A_GROUP = """
  + Exception Group Traceback (most recent call last):
  |   File "/usr/lib/python3.11/site-packages/starlette/_utils.py", line 76, in collapse
  |     yield
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/home/a/study/app/systems/clients/httpx2_client.py", line 27, in open_awaiting
    |     client = httpx2.AsyncClient(verify=CONTEXT)
    |                                        ^^^^^^^
    | NameError: name 'CONTEXT' is not defined
    +------------------------------------
"""


def test_the_frames_of_the_app_and_the_exception_are_left() -> None:
    assert list(select_error(AWAITED.splitlines(), FOLDER)) == [
        '  File "app/endpoints.py", line 32, in async_http_sync',
        "    return PlainTextResponse(await upstream.fetch())",
        "                             ^^^^^^^^^^^^^^^^^^^^^^",
        "TypeError: object bytes can't be used in 'await' expression",
    ]


def test_an_exception_in_a_group_is_one_as_well() -> None:
    first, *_, last = select_error(IN_A_GROUP.splitlines(), FOLDER)
    assert first.endswith('File "app/systems/clients/httpx2_client.py", line 27, in open_awaiting')
    assert last == "NameError: name 'CONTEXT' is not defined"


@pytest.mark.parametrize("log", ["", "it ended\n", "Traceback (most recent call last):\n"])
def test_without_an_exception_nothing_is_said(log: str) -> None:
    assert list(select_error(log.splitlines(), FOLDER)) == []


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("async-http-sync-shared", ("/async/http/sync", "/ping")),
        ("health-sync", ("/sync/sleep", "/sync/health")),
        ("rare-blocks", ("/async/sleep", "/async/sleep/sync", "/ping")),
    ],
)
def test_each_path_that_a_scenario_asks_is_asked(name: str, paths: tuple[str, ...]) -> None:
    (scenario,) = select_scenarios((name,))
    assert list_paths(scenario) == paths
