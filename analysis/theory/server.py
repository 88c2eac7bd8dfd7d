"""A web server in simulated time: its workers, and the master over them."""

import random

import simpy

from analysis.theory.blocked_worker import BlockedWorker
from analysis.theory.model import ServerModel
from analysis.theory.worker import SimulatedWorker, Steps
from scenarios.units import Second

RESTART_S: Second = 1.0
"""From the kill of a worker until the one after it serves: fork, imports, startup."""


class SimulatedServer:
    """Workers, and the master that replaces those whose heartbeat is late."""

    def __init__(self, clock: simpy.Environment, model: ServerModel, chance: random.Random) -> None:
        self.clock = clock
        self.model = model
        self.chance = chance
        self.killed_at_s: list[Second] = []
        self.workers = [self.create_worker() for _ in range(model.workers)]
        if model.worker_timeout_s > 0:
            for place in range(model.workers):
                clock.process(self.watch(place))

    def create_worker(self, starting_s: Second = 0.0) -> SimulatedWorker:
        kind = BlockedWorker if self.model.blocks else SimulatedWorker
        return kind(self.clock, self.model, self.chance, starting_s)

    def watch(self, place: int) -> Steps:
        while True:
            worker = self.workers[place]
            beat_s = worker.last_beat_s
            yield self.clock.timeout(beat_s + self.model.worker_timeout_s - self.clock.now)
            if worker.last_beat_s == beat_s:
                # the next one first: those who lose their connection ask again at once
                self.workers[place] = successor = self.create_worker(RESTART_S)
                self.killed_at_s.append(self.clock.now)
                successor.take_over(worker)
                worker.kill()
