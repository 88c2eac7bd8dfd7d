"""Explains a cell that missed its prediction: the code that its server ran under load and alone.

The server under load is sampled in a short phase after the window, while the users continue. A
fresh server with one user is sampled after the cell, once for all cells with the same app and
settings. So the sampler affects no figure of the cell.
"""

from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from records.cpu_profile import FULL_INTERPRETER, CpuProfile, Level, SampledPhase, Stacks
from scenarios.errors import UserError
from scenarios.model import Scenario
from stress.calibrate import (
    WARM_UP_S,
    measure_idle_cores,
    read_mark,
    start_calibrated_stack,
    sum_cpu_s,
)
from stress.callers import start_callers
from stress.cpu_sampler import SAMPLES_PER_S, Alike, Sampled, StackSampler
from stress.interruption import CellInterruptedError, Interruption
from stress.load.protocol import read_progress
from stress.runtime import CellRun
from stress.stack import Stack

UNDER_LOAD_S = 5.0
ALONE_S = 5.0
"""A few hundred samples each: a share of one third is known to within 0.05."""
DECIDED_BEFORE_S = 0.5
"""The load must learn before the window's end whether it continues."""
FEWEST_REQUESTS = 100
"""With fewer requests, the server's other work would be attributed to them."""


@dataclass(frozen=True, slots=True)
class ExplainedCell:
    """The explanation that is saved."""

    profile: CpuProfile
    stacks: dict[Level, Stacks] = field(default_factory=dict)


@dataclass(slots=True)
class Meter:
    """CPU use and responses of the server since a moment."""

    stack: Stack
    raw: Path
    begun_s: float = field(default_factory=monotonic)
    _answered: int = 0
    _good: int = 0
    _cpu_s: float = 0.0

    def __post_init__(self) -> None:
        self._answered, self._good, self._cpu_s = self._look()

    def read(self) -> tuple[SampledPhase, float]:
        """Return the phase so far and its successful responses per second.
        Raises UserError if a worker has ended."""
        answered, good, cpu_s = self._look()
        lasting_s = monotonic() - self.begun_s
        used_s, requests = cpu_s - self._cpu_s, answered - self._answered
        phase = SampledPhase(lasting_s, requests, used_s, SAMPLES_PER_S)
        return phase, (good - self._good) / lasting_s

    def _look(self) -> tuple[int, int, float]:
        now = read_progress(self.raw)
        return now.completed, now.completed - now.failed, sum_cpu_s(self.stack)


def is_explainable(cell: CellRun) -> bool:
    """Return True for a closed loop whose window has a known end. In an open loop beyond capacity,
    more time would only add requests that are never answered."""
    load, server = cell.scenario.load, cell.scenario.server
    if cell.explain_if is None or not server.is_python or cell.windows.cycles is not None:
        return False
    return load.tells_ids and not load.is_open and load.requests is None


class LoadExplainer:
    """The decision whether a cell's window needs an explanation, and the sampling after it."""

    def __init__(self, cell: CellRun, stack: Stack) -> None:
        self.cell, self.stack = cell, stack
        self.sampler = StackSampler(cell.directory.raw, stack.list_processes("server"))
        self._meter: Meter | None = None
        self._found: ExplainedCell | None = None

    def open_window(self) -> None:
        self._meter = self._start_meter()

    def is_needed(self) -> bool:
        """Return True if the window missed its prediction or filled its interpreters, and sampling
        is possible. Record the reason if it is not."""
        condition = self.cell.explain_if
        if condition is None or self._meter is None:
            return False
        try:
            phase, ok_rps = self._meter.read()
        except UserError:  # a worker ended; other figures of the cell show it
            return False
        if phase.requests < FEWEST_REQUESTS:
            return False
        workers = self.cell.scenario.server.workers
        is_full = phase.cpu_s >= FULL_INTERPRETER * workers * phase.lasting_s
        if not is_full and not condition.is_met(phase.cpu_s / phase.requests, ok_rps):
            return False
        if obstacle := self.sampler.find_obstacle():
            self._found = ExplainedCell(CpuProfile(fault=obstacle))
        return self._found is None

    def begin(self) -> None:
        self.sampler.begin()
        self._meter = self._start_meter()

    def finish(self) -> None:
        try:
            phase = self._meter.read()[0] if self._meter is not None else None
        except UserError:
            phase = None
        stacks = self.sampler.finish()
        if phase is None or not phase.requests:
            fault = "a server worker ended, or no request was answered, during sampling"
            self._found = ExplainedCell(CpuProfile(fault=fault))
        elif not stacks:
            self._found = ExplainedCell(CpuProfile(fault=self.sampler.describe_failure()))
        else:
            self._found = ExplainedCell(CpuProfile(load=phase), {"load": stacks})

    def complete(
        self, known: dict[Alike, Sampled], interruption: Interruption
    ) -> ExplainedCell | None:
        """Add the samples of the same server alone, after the measured one has ended. known: those
        of other cells. Return None if there is nothing to explain."""
        found = self._found
        if found is None or found.profile.load is None:
            return found
        scenario = self.cell.scenario
        alike = select_sampled(scenario)
        try:
            if alike not in known:
                known[alike] = sample_alone(scenario, interruption)
        except (UserError, CellInterruptedError) as problem:
            return ExplainedCell(CpuProfile(fault=str(problem)))
        phase, stacks = known[alike]
        profile = CpuProfile(alone=phase, load=found.profile.load)
        return ExplainedCell(profile, {**found.stacks, "alone": stacks})

    def _start_meter(self) -> Meter | None:
        try:
            return Meter(self.stack, self.cell.directory.raw)
        except UserError:
            return None


def select_sampled(scenario: Scenario) -> Alike:
    """Return everything that the samples of one user alone depend on."""
    keeps = scenario.load.keep_alive
    endpoint, server, client = scenario.endpoint, scenario.server, scenario.client
    return endpoint, server, client, scenario.database, scenario.file_mib, keeps


def sample_alone(scenario: Scenario, interruption: Interruption) -> Sampled:
    """Sample a fresh server as the calibration runs it: one user, no delay. Raises UserError,
    CellInterruptedError."""
    with start_calibrated_stack(scenario, scenario.delay_s and 0.0, interruption) as stack:
        idle_cores = measure_idle_cores(stack, interruption)
        sampler = StackSampler(stack.folder, stack.list_processes("server"))
        with start_callers(stack, scenario, in_flight=1) as callers:
            interruption.poll(callers.has_ended, WARM_UP_S)
            sampler.begin()
            before = read_mark(callers)
            try:
                interruption.poll(callers.has_ended, ALONE_S)
                after = read_mark(callers)
            finally:
                stacks = sampler.finish()
        if not stacks:
            raise UserError(sampler.describe_failure())
    lasting_s, requests = after.at_s - before.at_s, after.answered - before.answered
    if not requests:
        raise UserError(f"one user alone got no response within {ALONE_S:g} s")
    used_s = after.cpu_s - before.cpu_s
    return SampledPhase(lasting_s, requests, used_s, SAMPLES_PER_S, idle_cores), stacks
