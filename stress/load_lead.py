"""Leads the load of a cell: tells its progress, hears the runner's word, ends the run. Only
Locust's own processes load this file."""

from dataclasses import replace
from pathlib import Path
from time import monotonic

import gevent
from locust.env import Environment
from locust.runners import Runner

from records.journal import JournalWriter
from records.rows import LOAD_JOURNAL
from stress.load_process import FLUSH_EVERY_S, REPORTS_IN_S, LoadProcess
from stress.protocol import Control, Progress, read_control, write_progress
from stress.reports import Reports

POLL_S = 0.05


class Sink:
    """A journal file that is opened for each write: Locust forks after this file was loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)


class Lead:
    """What a single load process and a master have in common."""

    def __init__(self, me: LoadProcess, environment: Environment, runner: Runner) -> None:
        self.me = me
        self.environment = environment
        self.runner = runner
        self.reports = Reports()
        self.is_ended = False

    def conduct(self) -> None:
        try:
            self._conduct()
        except OSError as error:  # the folder is gone, or the disk full: nothing can be recorded
            print(f"load: cannot write: {error}", flush=True)
            self.environment.process_exit_code = 1
        self.is_ended = True
        self.runner.quit()

    def _conduct(self) -> None:
        flushed_s = 0.0
        while not self._is_done():
            gevent.sleep(POLL_S)
            if self.me.control is None and (control := read_control(self.me.folder)) is not None:
                self.me.hear(control)
                self.pass_on(control)
            if monotonic() - flushed_s >= FLUSH_EVERY_S:
                self.flush()
                flushed_s = monotonic()
        self.reports.close()
        self.flush()

    def _is_done(self) -> bool:
        """Nothing is sent any more, and nothing is open or the drain's time is up."""
        if self.me.stopped_at_s is None or not self.me.is_quiet:
            return False
        told = monotonic() >= self.me.stopped_at_s + REPORTS_IN_S and self.reports.all_heard()
        return (told and self.reports.progress().in_flight == 0) or self.me.is_over

    def flush(self) -> None:
        write_progress(self.me.folder, self.progress())

    def progress(self) -> Progress:
        return self.reports.progress()

    def pass_on(self, control: Control) -> None:
        """To load processes elsewhere, if there are any."""


class Alone(Lead):
    """The only load process: it leads itself, and writes its own journal."""

    def __init__(self, me: LoadProcess, environment: Environment, runner: Runner) -> None:
        super().__init__(me, environment, runner)
        self.reports.expect(1)
        sink = Sink(me.folder / "load-0.journal")
        self.writer = JournalWriter(sink, LOAD_JOURNAL, {"process": 0})
        gevent.spawn(me.write_often, self.writer)
        environment.events.spawning_complete.add_listener(lambda **_: me.end_of_ramp())

    def flush(self) -> None:
        self.me.write(self.writer)
        self.reports.hear(0, self.me.report(), monotonic())
        super().flush()

    def progress(self) -> Progress:
        ledger = self.me.ledger
        return replace(
            super().progress(),
            counted_from_s=ledger.counted_from_s,
            counted_until_s=ledger.counted_until_s,
        )
