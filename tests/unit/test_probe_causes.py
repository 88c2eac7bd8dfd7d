"""The probe's metrics and the audit name the cause of a block by the same rules. Neither may import
the other: the probe runs in the user's process."""

from math import isnan, nan

from asgi_probe.causes import Clocks, split_by_cause
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.findings.blocks.causes import judge_stretch
from analysis.findings.evidence import StretchClocks

SECONDS = st.sampled_from((0.0, 0.004, 0.019, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)) | st.floats(0, 2)
CLOCKS = st.lists(SECONDS | st.just(nan), min_size=6, max_size=6)


@given(st.floats(0.02, 2), CLOCKS)
@example(1.0, [0.0, 0.0, 0.9, 0.0, 0.0, 0.9])
@example(0.1, [0.06, 0.03, 0.0, 0.0, 0.0, 0.0])
def test_the_audit_gives_the_same_seconds_to_the_same_causes(
    length_s: float, clocks: list[float]
) -> None:
    """Seconds of 0 do not count."""
    cpu_s, delay_s, unseen_s, paused_s, gc_s, holder_s = (
        None if isnan(each) else each for each in clocks
    )
    judged = judge_stretch(
        StretchClocks(length_s, cpu_s, delay_s, gc_s, unseen_s, paused_s, holder_s)
    )
    expected: dict[str, float] = {judged.cause: judged.code_s}
    if judged.excuse is not None:
        expected[judged.excuse] = judged.excused_s
    found = split_by_cause(Clocks(length_s, *clocks))
    assert drop_zeros(found) == drop_zeros(expected)
    assert abs(sum(found.values()) - length_s) < 1e-9


def drop_zeros(seconds: dict[str, float]) -> dict[str, float]:
    return {cause: each for cause, each in seconds.items() if each}
