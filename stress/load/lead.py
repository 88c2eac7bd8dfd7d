"""Leads the load of a cell: tells its progress, hears the runner's word, ends the run. Only
Locust's own processes load this file."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic

import gevent
from locust.env import Environment
from locust.runners import Runner

from records.journal import JournalWriter
from records.rows import LOAD_JOURNAL
from stress.load.process import FLUSH_EVERY_S, REPORTS_IN_S, LoadProcess
from stress.load.protocol import LoadControl, LoadProgress, read_control, write_progress
from stress.load.reports import LoadReports

POLL_S = 0.05


def append_journal(path: Path, content: bytes) -> None:
    """Opened for each write: Locust forks after this file was loaded."""
    with path.open("ab") as file:
        file.write(content)


class LoadLeader:
    """What a single load process and a master have in common."""

    def __init__(self, me: LoadProcess, environment: Environment, runner: Runner) -> None:
        self.me = me
        self.environment = environment
        self.runner = runner
        self.reports = LoadReports()
        self.is_ended = False

    def run_load(self) -> None:
        try:
            self._run_until_done()
        except OSError as error:  # the folder is gone, or the disk full: nothing can be recorded
            print(f"load: cannot write: {error}", flush=True)
            self.environment.process_exit_code = 1
        self.is_ended = True
        self.runner.quit()

    def _run_until_done(self) -> None:
        flushed_s = 0.0
        while not self._is_done():
            gevent.sleep(POLL_S)
            if self.me.control is None and (control := read_control(self.me.folder)) is not None:
                self.me.apply_control(control)
                self.forward_control(control)
            if monotonic() - flushed_s >= FLUSH_EVERY_S:
                self.flush()
                flushed_s = monotonic()
        self.reports.mark_silent_as_lost()
        self.flush()

    def _is_done(self) -> bool:
        """Nothing is sent any more, and nothing is open or the drain's time is up."""
        if self.me.stopped_at_s is None or not self.me.is_quiet:
            return False
        told = monotonic() >= self.me.stopped_at_s + REPORTS_IN_S and self.reports.has_heard_all()
        return (told and self.reports.sum_progress().in_flight == 0) or self.me.is_over

    def flush(self) -> None:
        write_progress(self.me.folder, self.build_progress())

    def build_progress(self) -> LoadProgress:
        return self.reports.sum_progress()

    def forward_control(self, control: LoadControl) -> None:
        """To load processes elsewhere, if there are any."""


class SingleProcessLeader(LoadLeader):
    """The only load process: it leads itself, and writes its own journal."""

    def __init__(self, me: LoadProcess, environment: Environment, runner: Runner) -> None:
        super().__init__(me, environment, runner)
        self.reports.expect_processes(1)
        sink = partial(append_journal, me.folder / "load-0.journal")
        self.writer = JournalWriter(sink, LOAD_JOURNAL, {"process": 0})
        gevent.spawn(me.write_periodically, self.writer)
        environment.events.spawning_complete.add_listener(lambda **_: me.record_ramp_end())

    def flush(self) -> None:
        self.me.write_new_rows(self.writer)
        self.reports.record_report(0, self.me.build_report(), monotonic())
        super().flush()

    def build_progress(self) -> LoadProgress:
        ledger = self.me.ledger
        return replace(
            super().build_progress(),
            counted_from_s=ledger.counted_from_s,
            counted_until_s=ledger.counted_until_s,
        )
