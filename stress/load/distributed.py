"""Several load processes, here or on other machines. The master tracks the workers, their reports
and lost workers. Each worker gets its number and its plan from the master, and sends its journal
with every Locust report. Only Locust's own processes import this file."""

import json
from dataclasses import asdict, replace
from time import monotonic

import gevent
from locust import User, runners
from locust.dispatch import UsersDispatcher
from locust.env import Environment
from locust.rpc import Message

from records.clocks import ClockSample
from stress.load import protocol
from stress.load.guarded_messages import guard_messages
from stress.load.process import (
    POLL_S,
    LoadLeader,
    LoadProcess,
    append_journal,
    collect_versions,
    describe_version_mismatch,
    parse_plan,
)

WHATEVER_HAPPENS = 1_000_000_000
"""Heartbeats that Locust may miss before it gives up a worker: practically never."""


class FixedUsersDispatcher(UsersDispatcher):
    """A dispatcher that distributes the users once. Locust's own moves users when a worker joins or
    is lost, which would change the load in the middle of a cell."""

    def add_worker(self, worker_node: runners.WorkerNode) -> None: ...

    def remove_worker(self, worker_node: runners.WorkerNode) -> None: ...

    def list_worker_names(self) -> list[str]:
        """Return the workers' names in the order in which they get users."""
        return [node.id for node in self._worker_nodes]


class MasterLeader(LoadLeader):
    """The master. Locust knows a worker by its random name; the journals use a number."""

    def __init__(
        self, me: LoadProcess, environment: Environment, runner: runners.MasterRunner
    ) -> None:
        super().__init__(me, environment, runner)
        self.master = runner
        self.fit: set[str] = set()
        self.refused = ""
        self.places: dict[str, int] = {}
        self.trips: list[tuple[str, dict[str, float]]] = []
        self.has_started = False
        self.locusts_start = runner.start
        vars(runner)["start"] = self.start_once
        guard_messages(runner)
        environment.dispatcher_class = self.create_dispatcher  # type: ignore[assignment]
        runner.register_message(protocol.HELLO, self.on_hello)
        runner.register_message(protocol.CLOCK, self.on_clock)
        runner.register_message(protocol.LEAVING, self.on_leaving)
        environment.events.worker_report.add_listener(self.on_report)
        environment.events.quitting.add_listener(self.on_quitting)

    def on_hello(self, msg: Message, **_: object) -> None:
        if difference := describe_version_mismatch(msg.data):
            self.refused = difference
            self.master.send_message(protocol.REFUSED, {"why": difference}, msg.node_id)
        else:
            self.fit.add(msg.node_id)

    def list_ready_workers(self) -> list[runners.WorkerNode]:
        return [node for node in self.master.clients.ready if node.id in self.fit]

    def start_once(self, user_count: int, spawn_rate: float, **_: object) -> None:
        """Start the load on the first call. Locust calls this whenever a worker joins or leaves."""
        if self.has_started:
            return
        self.has_started = True
        self.await_word()
        while len(self.list_ready_workers()) < self.me.plan.load.processes:
            gevent.sleep(POLL_S)
        # This class decides when a silent worker is lost, and it accepts late reports.
        runners.HEARTBEAT_LIVENESS = WHATEVER_HAPPENS
        for node in self.master.clients.all:
            node.heartbeat = WHATEVER_HAPPENS
        self.locusts_start(user_count, spawn_rate)

    def create_dispatcher(
        self, worker_nodes: list[runners.WorkerNode], user_classes: list[type[User]]
    ) -> UsersDispatcher:
        """Create the dispatcher when Locust starts. A surplus worker gets no users."""
        del worker_nodes
        wanted = self.list_ready_workers()[: self.me.plan.load.processes]
        dispatcher = FixedUsersDispatcher(wanted, user_classes)
        self.places = {name: number for number, name in enumerate(dispatcher.list_worker_names())}
        self.reports.expect_processes(len(self.places))
        for name, number in self.places.items():
            self.master.send_message(protocol.PLACE, {"process": number}, name)
        return dispatcher

    def on_spawning_complete(self, **_: object) -> None:
        """Begin the open loop's schedule in all workers at the same time."""
        if self.me.plan.load.is_open:
            moment = {"in_s": protocol.BEGIN_IN_S, "at_s": monotonic() + protocol.BEGIN_IN_S}
            self.master.send_message(protocol.BEGIN, moment)

    def on_report(self, client_id: str, data: dict[str, object], **_: object) -> None:
        report = data.pop("avt", None)
        if isinstance(report, dict):
            self.save_report(client_id, protocol.LoadReport(**report))

    def on_leaving(self, msg: Message, **_: object) -> None:
        self.save_report(msg.node_id, protocol.LoadReport(**msg.data))
        if msg.node_id in self.places:
            self.reports.record_departure(self.places[msg.node_id])

    def save_report(self, name: str, report: protocol.LoadReport) -> None:
        process = self.places.get(name)
        if process is None:  # it belongs to an earlier master that was killed
            self.master.send_message("quit", client_id=name)
            return
        append_journal(self.me.folder / f"load-{process}.journal", report.rows)
        self.reports.record_report(process, report, monotonic())

    def on_clock(self, msg: Message, **_: object) -> None:
        self.trips.append((msg.node_id, {**msg.data, "back_s": monotonic()}))

    def forward_control(self, control: protocol.LoadControl) -> None:
        now_s = monotonic()
        distances = {
            "stop_in_s": control.stop_at_s - now_s,
            "drain_in_s": control.drain_until_s - now_s,
        }
        self.master.send_message(protocol.CONTROL, distances)

    def flush(self) -> None:
        if self.me.plan.distributed:
            self.master.send_message(protocol.CLOCK, {"sent_s": monotonic()})
        if self.places:  # trips before the numbers are assigned wait for them
            known = [each for each in self.trips if each[0] in self.places]
            samples = [ClockSample(self.places[name], **moments) for name, moments in known]
            protocol.append_clocks(self.me.folder, samples)
            self.trips.clear()
        self.reports.count_silent_beat()
        super().flush()

    def build_progress(self) -> protocol.LoadProgress:
        ready = len(self.list_ready_workers())
        return replace(self.reports.sum_progress(), ready=ready, refused=self.refused)

    def on_quitting(self, **_: object) -> None:
        """Record the end: Locust quits by itself when its last worker has ended."""
        if not self.is_ended:
            self.is_ended = True
            self.flush()


class LoadWorker:
    def __init__(
        self, me: LoadProcess, environment: Environment, runner: runners.WorkerRunner
    ) -> None:
        self.me = me
        self.runner = runner
        self.process = 0
        self.pending = bytearray()
        runner.register_message(protocol.REFUSED, self.on_refused)
        runner.register_message(protocol.PLACE, self.on_place)
        runner.register_message(protocol.BEGIN, self.on_begin)
        runner.register_message(protocol.CONTROL, self.on_control)
        runner.register_message(protocol.CLOCK, self.on_clock)
        environment.events.test_start.add_listener(self.start_spawning)
        environment.events.spawning_complete.add_listener(self.on_spawning_complete)
        environment.events.report_to_master.add_listener(self.on_report)
        environment.events.quitting.add_listener(self.on_quitting)
        print_facts(heard=runner.master_host)
        runner.send_message(protocol.HELLO, collect_versions())

    def on_refused(self, msg: Message, **_: object) -> None:
        print_facts(refused=msg.data["why"])
        self.runner.quit()

    def on_place(self, msg: Message, **_: object) -> None:
        self.process = msg.data["process"]

    def start_spawning(self, environment: Environment, **_: object) -> None:
        """Start the ramp. All workers get this at once, so their users' turns count from now."""
        self.me.configure(parse_plan(environment), self.process, list(self.runner.user_classes))
        self.me.ramp.begin_s = monotonic()
        self.me.open_journal(self.pending.extend)

    def on_spawning_complete(self, **_: object) -> None:
        """Record the ramp's end. A surplus worker gets this too, but has no writer."""
        if self.me.writer is not None:
            self.me.record_ramp_end()

    def on_begin(self, msg: Message, **_: object) -> None:
        """Begin the schedule: at the same moment on this machine. On another machine, whose clock
        differs, begin after a delay, to which the message's travel time is added."""
        distant = self.me.plan.distributed
        self.me.begin_schedule(monotonic() + msg.data["in_s"] if distant else msg.data["at_s"])

    def on_control(self, msg: Message, **_: object) -> None:
        """Set the stop times from delays, as in `on_begin`."""
        now_s = monotonic()
        stop_s, drain_s = now_s + msg.data["stop_in_s"], now_s + msg.data["drain_in_s"]
        self.me.control = protocol.LoadControl(stop_s, drain_s)

    def on_clock(self, msg: Message, **_: object) -> None:
        self.runner.send_message(protocol.CLOCK, {**msg.data, "theirs_s": monotonic()})

    def on_report(self, client_id: str, data: dict[str, object], **_: object) -> None:
        del client_id
        if self.me.writer is not None:
            data["avt"] = self.build_journal_report()

    def build_journal_report(self) -> dict[str, object]:
        self.me.write_new_rows()
        report = asdict(self.me.build_report(bytes(self.pending)))
        self.pending.clear()
        return report

    def on_quitting(self, **_: object) -> None:
        """Send the remaining rows, which exist if this machine, not the master, ends the worker."""
        if self.me.writer is None:
            return
        self.runner.send_message(protocol.LEAVING, self.build_journal_report())
        counts = self.me.ledger.take_snapshot()
        print_facts(
            cell=f"{self.me.plan.cell_number:04x}",
            users=counts.users,
            completed=counts.completed,
            failed=counts.failed,
        )


def print_facts(**facts: object) -> None:
    """Print a JSON line to this process's log, for the program that started it."""
    print(json.dumps(facts), flush=True)
