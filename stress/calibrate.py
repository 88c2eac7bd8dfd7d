"""Measures the CPU per request before the load: alone, and with other requests in flight."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from pathlib import Path
from shutil import rmtree
from time import monotonic

import psutil

from records.prediction import Calibration, CpuSample
from scenarios.errors import UserError, build_cannot_run_error
from scenarios.model import Scenario
from scenarios.units import Second
from stress import plan
from stress.agreement import UNUSABLE, compute_spread, reject_disagreement
from stress.callers import ANSWERS_WITHIN_S, Callers, start_callers
from stress.interruption import Interruption
from stress.machine import (
    compute_other_cores,
    find_free_port,
    mark_machine,
    raise_descriptor_limit,
    read_cpu_s,
)
from stress.stack import Stack
from stress.start_stack import start_stack

WARM_UP_S: Second = 0.5
"""Covers imports at the first request, connections and caches."""
IDLE_S: Second = 0.3
MOST_IDLE_CORES = 0.2
SAMPLES = 4
MOST_SAMPLES = 8
"""Only the last SAMPLES count: while a server prepares connections and statements, its cost per
request falls for some seconds."""
STEADY_RATIO = 1.1
"""Largest ratio between the two halves of the samples that count; halves of a steady server mostly
differ less."""
MOST_LEVEL_S: Second = 5.0
"""Limit for slow requests, whose rounds of all callers take long. At least two samples count."""
ALONE_SAMPLE_S: Second = 0.4
SAMPLE_S: Second = 0.5
WORKER_ENDED = "a worker of the server ended by itself"
LARGEST_SHARE = 5
"""The largest level is a fifth of the run's requests in flight."""
MOST_CALLERS = 100
ROUND_S: Second = 0.5
"""The longest round in which each caller is served once; a sample spans such a round."""
LEVEL_RATIO = 3
FEW_CALLERS = 10
"""Up to this many callers, one level is enough."""


def calibrate(scenario: Scenario, interruption: Interruption) -> Calibration:
    """Calibrate a resolved scenario on fresh servers, and stop them again.

    One request after another without delay gives the cost of a request alone. With fewer requests
    in flight than in the run, the delay is shortened in proportion, so that requests arrive at the
    run's rate and per-second work happens equally often.

    Raises UserError if the endpoint fails, or if the samples disagree, as they do on a busy
    machine; raises CellInterruptedError.
    """
    delay_s, begin = scenario.delay_s, mark_machine()
    with start_calibrated_stack(scenario, delay_s and 0.0, interruption) as stack:
        samples = measure_level(stack, scenario, 1, ALONE_SAMPLE_S, interruption)
        requests = sum(each.requests for each in samples)
        lasting_s = sum(each.lasting_s for each in samples)
        cpu_s = sum(each.requests * each.cpu_s for each in samples) / requests
        idle_cores = measure_idle_cores(stack, interruption)
        levels = choose_levels(scenario, cpu_s)
        for in_flight in () if delay_s else levels:
            samples += measure_level(stack, scenario, in_flight, SAMPLE_S, interruption)
    for in_flight in levels if delay_s else ():
        shorter = shorten_delay(scenario, in_flight)
        with start_calibrated_stack(shorter, shorter.delay_s, interruption) as stack:
            samples += measure_level(stack, shorter, in_flight, SAMPLE_S, interruption)
    reject_disagreement(samples)
    # A database is not a child process, so its CPU would count as that of other programs.
    others = None if scenario.database else compute_other_cores(begin)
    return Calibration(
        requests, lasting_s, cpu_s, lasting_s / requests, tuple(samples), idle_cores, others,
        stack.database.most_connections if stack.database else None,
    )  # fmt: skip


def shorten_delay(scenario: Scenario, in_flight: int) -> Scenario:
    """Shorten the delay so that requests arrive at the run's rate; the app gets it in whole ms."""
    shorter_s = (scenario.delay_s or 0.0) * in_flight / count_in_flight(scenario)
    return replace(scenario, delay_s=max(1, round(1000 * shorter_s)) / 1000)


def choose_levels(scenario: Scenario, cpu_s: Second) -> tuple[int, ...]:
    """Return the numbers of requests in flight above one, ascending. Return none if delays take the
    time of a blocked loop, if nothing shares an interpreter, or if work follows the response."""
    waits = scenario.endpoint.blocks_the_loop and scenario.delay_s
    if waits or scenario.endpoint.answers_first or not scenario.server.is_python:
        return ()
    share = int(count_in_flight(scenario) / LARGEST_SHARE)
    largest = min(share, MOST_CALLERS, max(2, int(ROUND_S / cpu_s))) if cpu_s else share
    smaller = largest // LEVEL_RATIO
    return tuple(each for each in (smaller if largest > FEW_CALLERS else 0, largest) if each > 1)


def count_in_flight(scenario: Scenario) -> float:
    """Return the requests in flight per worker in the run."""
    load = scenario.load
    several = float(load.users)
    if load.arrival_rate is not None:
        several = load.arrival_rate * (scenario.delay_s or 0.0)
    return several / scenario.server.workers


@contextmanager
def start_calibrated_stack(
    scenario: Scenario, delay_s: Second | None, interruption: Interruption
) -> Iterator[Stack]:
    """Start the scenario's stack with one worker."""
    alone = replace(scenario, delay_s=delay_s, server=replace(scenario.server, workers=1))
    raise_descriptor_limit(plan.count_needed_descriptors(alone))
    folder, is_named = Path(tempfile.mkdtemp(prefix="calibration-")), False
    try:
        with closing(start_stack(alone, find_free_port(0), folder, interruption)) as stack:
            yield stack
    except UserError as problem:
        is_named = str(folder) in str(problem)  # a log there says more
        raise
    finally:
        if not is_named:
            rmtree(folder)


def measure_level(
    stack: Stack, scenario: Scenario, in_flight: int, sample_s: Second, interruption: Interruption
) -> list[CpuSample]:
    """Measure a level, and once more if its samples disagree: other work may have interfered.
    Raises UserError, CellInterruptedError."""
    samples = measure_once(stack, scenario, in_flight, sample_s, interruption)
    if compute_spread([each.cpu_s for each in samples]) <= UNUSABLE:
        return samples
    return measure_once(stack, scenario, in_flight, sample_s, interruption)


def measure_once(
    stack: Stack, scenario: Scenario, in_flight: int, sample_s: Second, interruption: Interruption
) -> list[CpuSample]:
    """Measure with `in_flight` callers, who start evenly within one delay. Raises UserError,
    CellInterruptedError."""
    spread_s = scenario.delay_s or 0.0 if in_flight > 1 else 0.0
    idle_cores = measure_idle_cores(stack, interruption)
    with start_callers(stack, scenario, in_flight, spread_s) as callers:
        interruption.poll(callers.has_ended, WARM_UP_S + spread_s)
        marks = [read_mark(callers)]
        while not (is_enough(marks) or callers.has_ended()):
            interruption.poll(callers.has_ended, sample_s)
            await_whole_rounds(callers, marks[-1], interruption)
            marks.append(read_mark(callers))
            reject_death(marks[0], marks[-1], stack)
    counted = marks[-SAMPLES - 1 :]
    delay_s = scenario.delay_s if in_flight > 1 else None
    return [build_sample(in_flight, delay_s, *pair, idle_cores) for pair in pairwise(counted)]


def await_whole_rounds(callers: Callers, begin: "Mark", interruption: Interruption) -> None:
    """Wait until the responses since `begin` make up whole rounds of all callers. A loop serves
    requests in rounds: a sample that ends within one has work of requests it does not count."""
    at_once = len(callers.answered)
    rounds = max(1, ceil((sum(callers.answered) - begin.answered) / at_once))
    wanted = begin.answered + rounds * at_once

    def has_answered() -> bool:
        return callers.has_ended() or sum(callers.answered) >= wanted

    interruption.poll(has_answered, ANSWERS_WITHIN_S)


@dataclass(frozen=True, slots=True)
class Mark:
    """processes: of the server."""

    at_s: Second
    cpu_s: Second
    answered: int
    processes: frozenset[psutil.Process] = frozenset()


def read_mark(callers: Callers) -> Mark:
    """Raises UserError where the server has ended."""
    processes = frozenset(callers.stack.list_processes("server"))
    cpu_s = sum_cpu_s(callers.stack)
    return Mark(monotonic(), cpu_s, sum(callers.answered), processes)


def reject_death(begin: Mark, end: Mark, stack: Stack) -> None:
    """Raises UserError where a process of the server ended between the two."""
    if begin.processes <= end.processes and end.processes:
        return
    raise build_cannot_run_error(f"calibration: {stack.find_ended_process() or WORKER_ENDED}")


def is_enough(marks: Sequence[Mark]) -> bool:
    lasting_s = marks[-1].at_s - marks[0].at_s
    too_long = len(marks) > 2 and lasting_s >= MOST_LEVEL_S
    return too_long or len(marks) > MOST_SAMPLES or is_steady(marks)


def is_steady(marks: Sequence[Mark]) -> bool:
    """Return True if both halves of the last SAMPLES have the same cost per request."""
    if len(marks) <= SAMPLES:
        return False
    ends = marks[-SAMPLES - 1], marks[-SAMPLES // 2 - 1], marks[-1]
    costs_s = [
        (end.cpu_s - begin.cpu_s) / max(1, end.answered - begin.answered)
        for begin, end in pairwise(ends)
    ]
    return max(costs_s) <= STEADY_RATIO * min(costs_s)


def build_sample(
    in_flight: int, delay_s: Second | None, begin: Mark, end: Mark, idle_cores: float
) -> CpuSample:
    """Return the sample between two marks. Raises UserError if no request was answered."""
    lasting_s, requests = end.at_s - begin.at_s, end.answered - begin.answered
    if not requests:
        raise build_cannot_run_error(f"calibration: no response within {ANSWERS_WITHIN_S:g} s")
    used_s = max(0.0, end.cpu_s - begin.cpu_s - idle_cores * lasting_s)
    return CpuSample(in_flight, requests, lasting_s, used_s / requests, delay_s)


def measure_idle_cores(stack: Stack, interruption: Interruption) -> float:
    """Measure the cores that the idle server uses, including the probe's 100 samples per second.
    Return 0 above MOST_IDLE_CORES: such a server has threads that compute, and these use less as
    soon as requests compete for the interpreter."""
    before_s, cpu_s = monotonic(), sum_cpu_s(stack)
    interruption.poll(lambda: False, IDLE_S)
    idle_cores = (sum_cpu_s(stack) - cpu_s) / (monotonic() - before_s)
    return idle_cores if idle_cores < MOST_IDLE_CORES else 0.0


def sum_cpu_s(stack: Stack) -> Second:
    """Return the CPU seconds of all server processes so far. Raises UserError if one has ended."""
    try:
        return sum(read_cpu_s(each) for each in stack.list_processes("server"))
    except psutil.NoSuchProcess as error:
        raise build_cannot_run_error(f"calibration: {WORKER_ENDED}") from error
