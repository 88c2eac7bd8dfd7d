"""The probe's rule for the cause of a block is that of an audit, which may not import it."""

from itertools import product

from asgi_probe import causes as probe

from analysis.findings.blocks import causes as audit
from analysis.findings.evidence import StretchClocks

SECONDS = (0.0, 0.015, 0.021, 0.03, 0.06, 0.09, 0.097, 0.1)


def test_both_rules_find_the_same_cause() -> None:
    found = set()
    for cpu_s, gc_s, unseen_s, holder_s in product(SECONDS, repeat=4):
        clocks = StretchClocks(
            length_s=0.1, cpu_s=cpu_s, run_delay_s=0.0, gc_s=gc_s, unseen_s=unseen_s,
            paused_s=0.0, holder_cpu_s=holder_s,
        )  # fmt: skip
        own = probe.BlockClocks(cpu_s, gc_s, unseen_s, holder_s)
        cause = probe.find_cause(own, 0.1)
        assert cause == audit.judge_stretch(clocks).cause, own
        found.add(cause)
    assert found == {"gc", "compute", "gil", "wait", "unexplained"}
