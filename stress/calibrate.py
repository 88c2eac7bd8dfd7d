"""A short measurement before the load: what does one request of this endpoint cost by itself?"""

import http.client
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic

import psutil

from records.prediction import Calibration
from scenarios.errors import build_cannot_run_error
from scenarios.model import Endpoint, Scenario
from stress import plan
from stress.interruption import CellInterruptedError, Interruption
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
    alone = replace(
        scenario,
        delay_s=None if scenario.delay_s is None else 0.0,
        server=replace(scenario.server, workers=1),
    )
    raise_descriptor_limit(plan.count_needed_descriptors(alone))
    with tempfile.TemporaryDirectory(prefix="calibration-") as folder:
        stack = start_stack(alone, find_free_port(0), Path(folder), interruption)
        try:
            with closing(CalibrationUser(stack, alone.endpoint, interruption)) as asks:
                asks.send_for(WARM_UP_S)
                before_s = sum_cpu_s(stack)
                requests, lasting_s = asks.send_for(LASTING_S)
                used_s = sum_cpu_s(stack) - before_s
        finally:
            stack.end()
    return Calibration(requests, lasting_s, used_s / requests, lasting_s / requests)


class CalibrationUser:
    """One user on one connection that it keeps."""

    def __init__(self, stack: Stack, endpoint: Endpoint, interruption: Interruption) -> None:
        self._connection = http.client.HTTPConnection(
            stack.host, stack.port, timeout=ANSWERS_WITHIN_S
        )
        self._endpoint = endpoint
        self._interruption = interruption

    def close(self) -> None:
        self._connection.close()

    def send_for(self, lasting_s: float) -> tuple[int, float]:
        """Requests answered, and the seconds that they took together."""
        begun_s, count = monotonic(), 0
        while monotonic() - begun_s < lasting_s:
            if self._interruption.reason:
                raise CellInterruptedError(self._interruption.reason)
            self._send_request()
            count += 1
        return count, monotonic() - begun_s

    def _send_request(self) -> None:
        asked = self._endpoint
        headers = {} if asked.body is None else {"content-type": "application/json"}
        try:
            body = None if asked.body is None else asked.body.encode()
            self._connection.request(asked.method, asked.path, body, headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
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
