"""Instruments that did not run for a part of the window."""

from analysis.verdicts.base import Evidence, Verdict
from scenarios.units import Second


class MachinePaused(Verdict):
    """Runner and load processes were paused together, or the machine slept: a paused virtual
    machine or container, a laptop that was closed."""

    rank = 52
    doubt = "the machine was paused or busy"
    text = (
        "the study and its load processes did not run for {paused_s:.1f} s of the window: the "
        "machine was paused, or other programs took all of its cores"
    )
    advice = "run the scenario again: its latencies and blocked time include the pause"
    severity = "error"

    paused_s: Second

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        paused_s = evidence.instruments.machine_paused_s
        return cls(paused_s=paused_s) if paused_s > 0 else None


class GeneratorPaused(Verdict):
    """A load process was paused while the runner went on."""

    rank = 54
    doubt = "the load generator was paused"
    text = "a load process did not run for {paused_s:.1f} s of the window"
    advice = "run the scenario again: latencies include the pause, and throughput is too low"
    severity = "error"

    paused_s: Second

    @classmethod
    def check(cls, evidence: Evidence) -> Verdict | None:
        paused_s = evidence.instruments.generator_paused_s
        return cls(paused_s=paused_s) if paused_s > 0 else None
