"""Simulation of a service and its users, as in an audit's phases.

It leaves out the network, the operating system's scheduler, and contention between threads.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from analysis.theory.audit.stations import (
    ServiceLimits,
    SimulatedClock,
    SimulatedProcess,
    WaitLedger,
)
from analysis.theory.audit.steps import Program, Step
from scenarios.units import Second

MOST_ANSWERS = 6000
"""Maximum per phase, about a second of real time."""
MOST_SETTLING = 100_000
"""After this many responses, the window opens even if some users have not started."""


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """programs: by route; each request draws one of them."""

    programs: Mapping[str, tuple[Program, ...]]
    limits: ServiceLimits


@dataclass(frozen=True, slots=True)
class UserPlan:
    """routes: the user's repeated cycle of requests. gaps_s: from a response to the next request,
    drawn at random. process: the one that serves the user."""

    routes: tuple[str, ...]
    gaps_s: tuple[Second, ...] = (0.0,)
    process: int = 0


@dataclass(frozen=True, slots=True)
class SimulatedPhase:
    """span_s: until the last response. responses_s: by route."""

    span_s: Second
    responses_s: Mapping[str, Sequence[Second]]
    ledger: WaitLedger


@dataclass(slots=True)
class ServedRequest:
    user: "AskingUser"
    route: str
    process: SimulatedProcess
    steps: Iterator[Step]
    started_s: Second
    is_answered: bool = False

    def advance(self) -> None:
        for step in self.steps:
            if not step.begin(self):
                return

    def end_response(self) -> None:
        self.is_answered = True
        self.user.receive(self)


@dataclass(slots=True)
class AskingUser:
    phase: "PhaseRun"
    process: SimulatedProcess
    routes: Iterator[str]
    gaps_s: tuple[Second, ...]

    def ask(self) -> None:
        phase, route = self.phase, next(self.routes)
        if phase.clock.now_s >= phase.until_s:
            phase.users_left -= 1
            return
        steps = iter(phase.chance.choice(phase.model.programs[route]))
        ServedRequest(self, route, self.process, steps, phase.clock.now_s).advance()

    def receive(self, visit: ServedRequest) -> None:
        phase = self.phase
        phase.count_answer(visit.route, visit.started_s)
        phase.clock.call_later(phase.chance.choice(self.gaps_s), self.ask)


@dataclass(slots=True)
class PhaseRun:
    """Users start evenly within starting_s, and send nothing after until_s. With settling > 0, the
    window opens once all have started and `settling` responses have arrived, which are not
    measured. It ends after `measured` responses."""

    model: ServiceModel
    chance: random.Random
    until_s: Second = math.inf
    starting_s: Second = 0.0
    settling: int = 0
    measured: int = MOST_ANSWERS
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    ledger: WaitLedger = field(default_factory=WaitLedger)
    users_left: int = 0
    answers: int = 0
    opened_s: Second = 0.0
    answered_s: Second = 0.0
    responses_s: dict[str, list[Second]] = field(default_factory=lambda: defaultdict(list))

    def run(self, users: Sequence[UserPlan]) -> SimulatedPhase:
        processes: dict[int, SimulatedProcess] = {}
        self.users_left = len(users)
        for number, each in enumerate(users):
            if each.process not in processes:
                process = SimulatedProcess(self.clock, self.model.limits, self.ledger)
                processes[each.process] = process
            user = AskingUser(self, processes[each.process], cycle(each.routes), each.gaps_s)
            self.clock.call_later(self.starting_s * number / len(users), user.ask)
        self.clock.run(self.is_over)
        return SimulatedPhase(self.answered_s - self.opened_s, self.responses_s, self.ledger)

    def count_answer(self, route: str, started_s: Second) -> None:
        self.answers += 1
        self.answered_s = self.clock.now_s
        self.responses_s[route].append(self.answered_s - started_s)
        have_begun = self.answered_s >= self.starting_s or self.answers >= MOST_SETTLING
        if self.settling and self.answers >= self.settling and have_begun:
            self.settling, self.answers, self.opened_s = 0, 0, self.answered_s
            self.responses_s.clear()
            self.ledger.clear()

    def is_over(self) -> bool:
        return self.users_left == 0 or (not self.settling and self.answers >= self.measured)


def simulate_phase(
    model: ServiceModel, users: Sequence[UserPlan], length_s: Second, seed: int = 1
) -> SimulatedPhase:
    """Start all users together, as in an audit. The same seed gives exactly the same result."""
    return PhaseRun(model, random.Random(seed), until_s=length_s).run(users)


def simulate_steady_state(
    model: ServiceModel, users: Sequence[UserPlan], answers: int, starting_s: Second, seed: int = 1
) -> SimulatedPhase:
    """Measure `answers` responses, after half as many for settling."""
    chance = random.Random(seed)
    half = max(1, answers // 2)
    run = PhaseRun(model, chance, starting_s=starting_s, settling=half, measured=answers)
    return run.run(users)
