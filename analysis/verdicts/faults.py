"""Faults during a cell's run, and conditions that make it unlike other cells."""

from collections.abc import Mapping

from analysis.measures.instruments import SILENCE_LIMIT_S
from analysis.stats import formats
from analysis.verdicts.base import Data, Evidence, Severity, Verdict
from records.cell import BY_GUNICORN, BY_GUNICORN_ONCE, BY_SERVER
from scenarios.units import Second

COUNTS: Mapping[str, str] = {
    "vanished": "failed requests that never reached the app",
    "completed_unseen": "responses to requests that the app did not record",
    "app_repeated": "requests that the app received twice",
    "strangers": "requests that the app received, but the load generator did not send",
    "upstream_missing": "successful responses without a request to the upstream",
    "upstream_strangers": "upstream requests that the app did not record",
    "upstream_repeated": "requests that the upstream received twice",
}
"""The contradictions of the request accounting in words, to follow a number."""


class Interrupted(Verdict):
    """The cell did not run to its end."""

    rank = 10
    text = "cut short: {reason}; the figures cover only the time before"
    advice = "run the scenario again; do not compare these figures"
    severity = "error"

    reason: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        reason = evidence.record.interrupted
        return cls(reason=reason) if reason else None


class CountsDisagree(Verdict):
    """Generator, app and upstream counted different requests. contradictions: counts that must be
    zero, by their names in the request accounting."""

    rank = 20
    doubt = "its request counts disagree"
    advice = "do not use this cell; see `fates` in summary.json for the outcome of its requests"
    severity = "error"

    sent: int
    contradictions: Mapping[str, int]
    app_received: int | None
    upstream_received: int | None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        """Return None for dead workers and interrupted cells: they lose requests anyway."""
        record, counts = evidence.record, evidence.counts
        contradictions = dict(counts.contradictions)
        if evidence.is_overloaded:
            # a full listen queue drops connections that the generator believes established
            contradictions.pop("vanished", None)
        if not contradictions or record.interrupted:
            return None
        if record.deaths or record.journals_lost or evidence.instruments.load_processes_died:
            return None
        return cls(
            sent=counts.sent,
            contradictions=contradictions,
            app_received=counts.app_received,
            upstream_received=counts.upstream_received,
        )

    @property
    def data(self) -> Data:
        counts = {**vars(self), **self.contradictions}
        order = ("sent", *self.contradictions, "app_received", "upstream_received")
        return {name: counts[name] for name in order if counts[name] is not None}

    @property
    def message(self) -> str:
        found = ", ".join(f"{count:,} {COUNTS[key]}" for key, count in self.contradictions.items())
        return f"the request counts disagree ({self.sent:,} requests were sent): {found}"


class JournalLost(Verdict):
    """A journal of the probe is empty, damaged or incomplete."""

    rank = 40
    advice = (
        "treat the server's figures as incomplete: these workers' requests and threads are missing"
    )
    severity = "warning"

    journals: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        lost = evidence.record.journals_lost
        return cls(journals=len(lost)) if lost else None

    @property
    def message(self) -> str:
        workers = formats.count_things(self.journals, "worker")
        return (
            f"the probe's records of {workers} are missing or incomplete: a worker died before the "
            "probe wrote, the disk was too slow for it, or a file is damaged"
        )


class LoadProcessDied(Verdict):
    """A load process died. The load lacks its users, and the records its last quarter second."""

    rank = 50
    doubt = "a load process died"
    advice = "run the scenario again: the load was smaller than requested"
    severity = "error"

    processes: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        died = evidence.instruments.load_processes_died
        return cls(processes=died) if died else None

    @property
    def message(self) -> str:
        its = "its" if self.processes == 1 else "their"
        return (
            f"{formats.count_things(self.processes, 'load process', 'es')} died, with {its} users"
        )


class ProbeStopped(Verdict):
    """A worker's probe stopped before the end. It switches itself off after an internal error; its
    samples of threads and event loop then end early."""

    rank = 60
    doubt = "the probe stopped"
    text = "a worker's probe wrote nothing in the worker's last {silent_s:.0f} s"
    advice = (
        "run the scenario again: thread, pool and event-loop figures cover only part of the window"
    )
    severity = "error"

    silent_s: Second

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        silent_s = evidence.instruments.probe_silent_s
        if silent_s is None or silent_s <= SILENCE_LIMIT_S:
            return None
        return cls(silent_s=silent_s)


class ThreadsLeft(Verdict):
    """The server was kept running and still had threads from earlier runs."""

    rank = 70
    text = "the server was already running and still had {threads} threads from earlier runs"
    advice = "restart the server to count only the threads of this run"
    severity = "warning"

    threads: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        left = evidence.record.threads_left
        return cls(threads=left) if left else None


class WorkerDeaths(Verdict):
    """Workers of the server died."""

    rank = 80
    error_means = "as measured"
    severity = "error"

    deaths: int
    causes: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        deaths = evidence.record.deaths
        causes = ", ".join(sorted({death.cause for death in deaths}))
        return cls(deaths=len(deaths), causes=causes) if deaths else None

    @property
    def message(self) -> str:
        workers = formats.count_things(self.deaths, "worker")
        if self.causes not in (BY_GUNICORN, BY_GUNICORN_ONCE):
            return f"{workers} died ({self.causes})"
        its = "its" if self.deaths == 1 else "their"
        return (
            f"gunicorn killed {workers}: {its} event loop sent no heartbeat within --worker-timeout"
        )

    @property
    def advice(self) -> str:
        """A longer timeout does not help a worker that exited by itself."""
        lost = "each death resets all connections of its worker"
        if BY_SERVER not in self.causes:
            return f"see the server's log for the reason; {lost}"
        return (
            "remove what blocks the event loop (a blocking call, or CPU work such as creating a "
            f"client): {lost}, and --worker-timeout 0 (gunicorn's --timeout) only stops the kills"
        )


class OtherEngine(Verdict):
    """A load engine other than Locust, which records less."""

    rank = 130
    text = "{engine} sent the load: its requests carry no id and cannot be followed through the app"
    advice = "use --engine locust for the figures that are missing here"
    severity = "info"

    engine: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        load = evidence.record.scenario.load
        return None if load.tells_ids else cls(engine=load.engine)


class Profiled(Verdict):
    """py-spy profiled the server and slowed it down. fault: why there is no flame graph."""

    rank = 140
    advice = "measure again without --profile: py-spy stopped the server for each sample"

    fault: str | None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        profile = evidence.record.profile
        return None if profile is None else cls(fault=profile.fault)

    @property
    def severity(self) -> Severity:
        return "info" if self.fault is None else "warning"

    @property
    def message(self) -> str:
        if self.fault:
            return f"no flame graph: {self.fault}"
        return "py-spy sampled the server: its flame graph is profile.svg in the cell's folder"
