"""A service in simulated time, and users who ask it, as an audit's phases do.

Not in it: the network, the operating system's scheduler, what threads do to each other.
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
"""Of a phase: about a second of real time."""
MOST_SETTLING = 100_000
"""Where few users are that fast, nobody waits for the others to begin."""


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """programs: of each route, one of which each request draws."""

    programs: Mapping[str, tuple[Program, ...]]
    limits: ServiceLimits


@dataclass(frozen=True, slots=True)
class UserPlan:
    """routes: that the user asks, one after the other, again and again. gaps_s: from an answer to
    the next request, drawn at random. process: that serves the user."""

    routes: tuple[str, ...]
    gaps_s: tuple[Second, ...] = (0.0,)
    process: int = 0


@dataclass(frozen=True, slots=True)
class SimulatedPhase:
    """span_s: until the last answer. responses_s: by route."""

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

    def advance(self) -> None:
        for step in self.steps:
            if not step.begin(self):
                return

    def end_response(self) -> None:
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
    """Users begin evenly within starting_s, and send nothing after until_s. Of a run that settles
    first, the window opens when all have begun and so many answers have come (settling); what comes
    before is not measured. It ends with so many answers (measured)."""

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
    """All users begin at once, as in an audit. The same seed gives the same result to the last
    digit."""
    return PhaseRun(model, random.Random(seed), until_s=length_s).run(users)


def simulate_steady_state(
    model: ServiceModel, users: Sequence[UserPlan], answers: int, starting_s: Second, seed: int = 1
) -> SimulatedPhase:
    """So many answers after half as many before them."""
    chance = random.Random(seed)
    half = max(1, answers // 2)
    run = PhaseRun(model, chance, starting_s=starting_s, settling=half, measured=answers)
    return run.run(users)
