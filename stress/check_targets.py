"""Checks that servers that already run have the endpoints of the scenarios."""

from collections.abc import Sequence
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException

from scenarios.catalogue import contrast
from scenarios.errors import build_cannot_run_error
from scenarios.model import Scenario
from stress.callers import ANSWERS_WITHIN_S, read_whole
from stress.start_stack import resolve_target

NO_ENDPOINT = (404, 405)


def check_targets(scenarios: Sequence[Scenario]) -> None:
    """Send each scenario's request once. Raises UserError if nothing is listening, if a path or its
    method does not exist, and for a stream. Other failures are worth measuring."""
    given = [each for each in scenarios if each.url is not None]
    statuses = [(each, fetch_status(each)) for each in given]
    missing = [(each, status) for each, status in statuses if status in NO_ENDPOINT]
    if not missing:
        return
    first, status = missing[0]
    endpoint = first.endpoint
    more = f"; so do {len(missing) - 1} more of {len(given)} requests" if missing[1:] else ""
    hint = (
        ". Give endpoints that every target has: one --endpoint 'GET /path' for each"
        if first.group == contrast.GROUP
        else ". Correct the scenario's endpoint"
    )
    name = first.contender or first.name
    raise build_cannot_run_error(
        f"{name}: {endpoint.method} {endpoint.path} returns {status}{more}{hint}"
    )


def fetch_status(scenario: Scenario) -> int | None:
    """Return the status, or None without a response. Raises UserError if nothing is listening, and
    for a response without an end."""
    assert scenario.url is not None
    host, port = resolve_target(scenario, scenario.url)
    endpoint = scenario.endpoint
    headers = {} if endpoint.body is None else {"content-type": "application/json"}
    with closing(HTTPConnection(host, port, timeout=ANSWERS_WITHIN_S)) as connection:
        status = None
        with suppress(OSError, HTTPException):
            body = None if endpoint.body is None else endpoint.body.encode()
            connection.request(endpoint.method, endpoint.path, body, headers)
            answer = connection.getresponse()
            status = answer.status
            read_whole(answer, endpoint.path)
        return status
