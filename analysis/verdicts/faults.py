"""What went wrong in a cell's run, or makes it unlike others."""

from collections.abc import Mapping

from analysis.verdicts.base import Data, Evidence, Severity, Verdict
from records.cell import BY_SERVER
from scenarios.units import Second

SILENCE_LIMIT_S = 1.0
"""The probe samples every 10 ms and flushes every 250 ms."""


class Interrupted(Verdict):
    """The cell did not run to its end."""

    rank = 10
    text = "cut short: {reason}; the figures are of what came before"
    advice = "run it again; do not compare these figures"
    severity = "error"

    reason: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        reason = evidence.record.interrupted
        return cls(reason=reason) if reason else None


class CountsDisagree(Verdict):
    """Generator, app and upstream saw different requests. contradictions: counts that must be zero,
    by their names in the request accounting."""

    rank = 20
    doubt = "its requests were counted differently at their two ends"
    advice = "do not use this cell; `fates` in summary.json counts what became of each request"
    severity = "error"

    sent: int
    contradictions: Mapping[str, int]
    app_received: int | None
    upstream_received: int | None

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        """Dead workers and interrupted cells lose requests for reasons of their own."""
        record, counts = evidence.record, evidence.counts
        contradictions = dict(counts.contradictions)
        if evidence.is_overloaded:
            # a full listen queue drops connections that the generator takes for made
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
        numbers = ", ".join(f"{key} {value}" for key, value in self.data.items())
        return f"the request counts disagree: {numbers}"


class JournalLost(Verdict):
    """A worker died before it had written anything to its journal."""

    rank = 40
    text = "workers that died before the probe in them wrote anything: {journals}"
    advice = "their requests and threads are missing from the figures of the server"
    severity = "warning"

    journals: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        lost = evidence.record.journals_lost
        return cls(journals=len(lost)) if lost else None


class LoadProcessDied(Verdict):
    """A load process died. Its users are missing from the load, and its last quarter
    second from the records."""

    rank = 50
    doubt = "a load process died"
    text = "load processes that died, with their users: {processes}"
    advice = "the load was not what was asked for; run it again"
    severity = "error"

    processes: int

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        died = evidence.instruments.load_processes_died
        return cls(processes=died) if died else None


class ProbeStopped(Verdict):
    """The probe of a worker stopped before the end. It switches itself off at a fault; what it says
    of threads and loop then ends early."""

    rank = 60
    doubt = "the probe stopped"
    text = "the probe of a worker wrote nothing in its last {silent_s:.0f} s"
    advice = "the figures of threads, pool and event loop are of a part of the window: run it again"
    severity = "error"

    silent_s: Second

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        silent_s = evidence.instruments.probe_silent_s
        if silent_s is None or silent_s <= SILENCE_LIMIT_S:
            return None
        return cls(silent_s=silent_s)


class ThreadsLeft(Verdict):
    """A server that was kept running still had threads from earlier runs."""

    rank = 70
    text = "the server was already running, and still had {threads} threads from earlier runs"
    advice = (
        "the number of live threads includes them; restart the server for a number without them"
    )
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
    text = "{deaths} worker death(s): {causes}"
    severity = "error"

    deaths: int
    causes: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        deaths = evidence.record.deaths
        causes = ", ".join(sorted({death.cause for death in deaths}))
        return cls(deaths=len(deaths), causes=causes) if deaths else None

    @property
    def advice(self) -> str:
        """A longer timeout is no help for a worker that ended by itself."""
        lost = "each death resets all connections of its worker"
        if BY_SERVER not in self.causes:
            return f"{lost}; the server's log says why it ended"
        return f"{lost}: remove what blocks the event loop; --worker-timeout 0 only ends the kills"


class OtherEngine(Verdict):
    """Another engine than Locust made the load, and records less."""

    rank = 130
    text = (
        "{engine} made the load: its requests carry no id, so nothing follows them through the app"
    )
    advice = "what it does not record is left empty; --engine locust records everything"
    severity = "info"

    engine: str

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        load = evidence.record.scenario.load
        return None if load.tells_ids else cls(engine=load.engine)


class Profiled(Verdict):
    """py-spy profiled the server, which slows it. fault: why there is no flame graph."""

    rank = 140
    advice = "py-spy stopped the server for each sample: measure again without --profile"

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
        return "py-spy sampled the server: its flame graph is profile.svg, in the cell's folder"
