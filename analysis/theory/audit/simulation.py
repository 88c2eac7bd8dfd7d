"""A service in simulated time, and users who ask it, as an audit's phases do.

Not in it: the network, the operating system's scheduler, what threads do to each other.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from analysis.theory.audit.steps import Program, SimulatedClock, SimulatedProcess, Step
from scenarios.units import Second

MOST_ANSWERS = 20_000
"""Some seconds of real time."""


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """programs: of each route, one of which each request draws. capacities: of each queue for
    threads, in each process."""

    programs: Mapping[str, tuple[Program, ...]]
    capacities: Mapping[str, float]


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
    """All users begin at once, and send nothing after until_s: as an audit's phases are."""

    model: ServiceModel
    until_s: Second
    chance: random.Random
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    users_left: int = 0
    answers: int = 0
    answered_s: Second = 0.0
    responses_s: dict[str, list[Second]] = field(default_factory=lambda: defaultdict(list))

    def run(self, users: Sequence[UserPlan]) -> SimulatedPhase:
        processes: dict[int, SimulatedProcess] = {}
        self.users_left = len(users)
        for each in users:
            if each.process not in processes:
                processes[each.process] = SimulatedProcess(self.clock, self.model.capacities)
            user = AskingUser(self, processes[each.process], cycle(each.routes), each.gaps_s)
            self.clock.call_later(0.0, user.ask)
        self.clock.run(self.is_over)
        return SimulatedPhase(self.answered_s, self.responses_s)

    def count_answer(self, route: str, started_s: Second) -> None:
        self.answers += 1
        self.answered_s = self.clock.now_s
        self.responses_s[route].append(self.answered_s - started_s)

    def is_over(self) -> bool:
        return self.users_left == 0 or self.answers >= MOST_ANSWERS


def simulate_phase(
    model: ServiceModel, users: Sequence[UserPlan], length_s: Second, seed: int = 1
) -> SimulatedPhase:
    """The same seed gives the same result to the last digit."""
    return PhaseRun(model, length_s, random.Random(seed)).run(users)
