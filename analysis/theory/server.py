"""A web server in simulated time: its workers, and the master over them."""

import random

import simpy

from analysis.theory.blocked_worker import BlockedWorker
from analysis.theory.worker import Life, System, Worker
from scenarios.units import Second

RESTART_S: Second = 1.0
"""From the kill of a worker until the one after it serves: fork, imports, startup."""


def create_worker(
    clock: simpy.Environment, system: System, chance: random.Random, starting_s: Second = 0.0
) -> Worker:
    blocks = system.style == "async def that blocks"
    kind = BlockedWorker if blocks else Worker
    return kind(clock, system, chance, starting_s)


class SimulatedServer:
    """Workers, and the master that replaces those that fall silent."""

    def __init__(self, clock: simpy.Environment, system: System, chance: random.Random) -> None:
        self.clock = clock
        self.system = system
        self.chance = chance
        self.killed_at_s: list[Second] = []
        self.workers = [create_worker(clock, system, chance) for _ in range(system.workers)]
        if system.worker_timeout_s > 0:
            for place in range(system.workers):
                clock.process(self.watch(place))

    def watch(self, place: int) -> Life:
        while True:
            worker = self.workers[place]
            beat_s = worker.last_beat_s
            yield self.clock.timeout(beat_s + self.system.worker_timeout_s - self.clock.now)
            if worker.last_beat_s == beat_s:
                # the next one first: those who lose their connection ask again at once
                successor = create_worker(self.clock, self.system, self.chance, RESTART_S)
                self.workers[place] = successor
                self.killed_at_s.append(self.clock.now)
                successor.take_over(worker)
                worker.kill()
