"""A load process that has a master: gets its place and its plan, and sends its journal home with
every report of Locust's. Only Locust's own processes load this file."""

import json
from dataclasses import asdict
from time import monotonic

from locust import runners
from locust.env import Environment
from locust.rpc import Message

from stress.load.process import LoadProcess, collect_versions, parse_plan
from stress.load.protocol import BEGIN, CLOCK, CONTROL, HELLO, LEAVING, PLACE, REFUSED, LoadControl


class LoadWorker:
    def __init__(
        self, me: LoadProcess, environment: Environment, runner: runners.WorkerRunner
    ) -> None:
        self.me = me
        self.runner = runner
        self.process = 0
        self.pending = bytearray()
        runner.register_message(REFUSED, self.on_refused)
        runner.register_message(PLACE, self.on_place)
        runner.register_message(BEGIN, self.on_begin)
        runner.register_message(CONTROL, self.on_control)
        runner.register_message(CLOCK, self.on_clock)
        environment.events.test_start.add_listener(self.start_spawning)
        environment.events.spawning_complete.add_listener(self.on_spawning_complete)
        environment.events.report_to_master.add_listener(self.on_report)
        environment.events.quitting.add_listener(self.on_quitting)
        print_facts(heard=runner.master_host)
        runner.send_message(HELLO, collect_versions())

    def on_refused(self, msg: Message, **_: object) -> None:
        print_facts(refused=msg.data["why"])
        self.runner.quit()

    def on_place(self, msg: Message, **_: object) -> None:
        self.process = msg.data["process"]

    def start_spawning(self, environment: Environment, **_: object) -> None:
        """Every worker is told at once, also one whose first user comes later: its turns count
        from now."""
        self.me.configure(parse_plan(environment), self.process, list(self.runner.user_classes))
        self.me.ramp.begin_s = monotonic()
        self.me.open_journal(self.pending.extend)

    def on_spawning_complete(self, **_: object) -> None:
        """Also a worker that was one too many is told."""
        if self.me.writer is not None:
            self.me.record_ramp_end()

    def on_begin(self, msg: Message, **_: object) -> None:
        """Another machine's clock is another clock: there the moment comes as a distance, and the
        way of the word is in it. On this machine it is the same moment for all."""
        distant = self.me.plan.distributed
        self.me.begin_schedule(monotonic() + msg.data["in_s"] if distant else msg.data["at_s"])

    def on_control(self, msg: Message, **_: object) -> None:
        """In distances too."""
        now_s = monotonic()
        self.me.control = LoadControl(now_s + msg.data["stop_in_s"], now_s + msg.data["drain_in_s"])

    def on_clock(self, msg: Message, **_: object) -> None:
        self.runner.send_message(CLOCK, {**msg.data, "theirs_s": monotonic()})

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
        """Ended by its own machine, it sends what it has; ended by the master, it has sent all."""
        if self.me.writer is None:
            return
        self.runner.send_message(LEAVING, self.build_journal_report())
        counts = self.me.ledger.take_snapshot()
        print_facts(
            cell=f"{self.me.plan.cell_number:04x}",
            users=counts.users,
            completed=counts.completed,
            failed=counts.failed,
        )


def print_facts(**facts: object) -> None:
    """A line of JSON in this process's log, for whoever started it."""
    print(json.dumps(facts), flush=True)
