"""A short measurement before the load: what does one request of this endpoint cost by itself?"""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic

import psutil

from records.prediction import Calibration
from scenarios.errors import build_cannot_run_error
from scenarios.model import Endpoint, Scenario
from stress import plan
from stress.interruption import Interruption
from stress.machine import find_free_port, raise_descriptor_limit
from stress.stack import Stack
from stress.start_stack import start_stack

WARM_UP_S = 0.5
"""Imports at the first request, connections, caches."""
LASTING_S = 2.0
"""CPU is counted in steps of 10 ms: half a percent of this."""
ANSWERS_WITHIN_S = 10.0


def calibrate(scenario: Scenario, interruption: Interruption) -> Calibration:
    """Of a resolved scenario, on a fresh server of its own that is ended again.

    Raises UserError where the endpoint does not answer well, CellInterruptedError.
    """
    with (
        tempfile.TemporaryDirectory(prefix="calibration-") as folder,
        open_lone_server(scenario, Path(folder), interruption) as (stack, user),
    ):
        send_for(WARM_UP_S, user, scenario.endpoint, interruption)
        before_s = sum_cpu_s(stack)
        requests, lasting_s = send_for(LASTING_S, user, scenario.endpoint, interruption)
        used_s = sum_cpu_s(stack) - before_s
    return Calibration(requests, lasting_s, used_s / requests, lasting_s / requests)


@contextmanager
def open_lone_server(
    scenario: Scenario, folder: Path, interruption: Interruption
) -> Iterator[tuple[Stack, HTTPConnection]]:
    """A server that has one worker and nothing to wait for, and its one user. Raises UserError,
    CellInterruptedError."""
    alone = replace(
        scenario,
        delay_s=None if scenario.delay_s is None else 0.0,
        server=replace(scenario.server, workers=1),
    )
    raise_descriptor_limit(plan.count_needed_descriptors(alone))
    with (
        closing(start_stack(alone, find_free_port(0), folder, interruption)) as stack,
        closing(HTTPConnection(stack.host, stack.port, timeout=ANSWERS_WITHIN_S)) as user,
    ):
        yield stack, user


def send_for(
    lasting_s: float, user: HTTPConnection, endpoint: Endpoint, interruption: Interruption
) -> tuple[int, float]:
    """Requests answered on one connection that is kept, and the seconds that they took together."""
    begun_s, count = monotonic(), 0
    while monotonic() - begun_s < lasting_s:
        interruption.check()
        send_request(user, endpoint)
        count += 1
    return count, monotonic() - begun_s


def send_request(user: HTTPConnection, asked: Endpoint) -> None:
    headers = {} if asked.body is None else {"content-type": "application/json"}
    try:
        body = None if asked.body is None else asked.body.encode()
        user.request(asked.method, asked.path, body, headers)
        answer = user.getresponse()
        answer.read()
    except (OSError, HTTPException) as error:
        raise build_cannot_run_error(
            f"calibration: {asked.path} did not answer: {error}"
        ) from error
    if answer.status // 100 != 2:
        raise build_cannot_run_error(f"calibration: {asked.path} answered {answer.status}")


def sum_cpu_s(stack: Stack) -> float:
    """Of all processes of the server so far."""
    used = (process.cpu_times() for process in stack.list_processes("server"))
    try:
        return sum(each.user + each.system for each in used)
    except psutil.NoSuchProcess as error:
        raise build_cannot_run_error(
            "calibration: a worker of the server ended by itself"
        ) from error
