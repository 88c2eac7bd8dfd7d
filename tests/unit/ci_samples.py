"""Findings with all kinds of places, for tests of what CI reads."""

import json
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from analysis.findings import AuditFinding, AuditFindings, export_findings
from analysis.findings.base import AuditScope
from analysis.findings.judge import sort_findings
from tests.unit.finding_samples import (
    SampleBlock,
    SampleDeadlock,
    SampleFinding,
    SampleKill,
    SamplePoolWait,
    keep_threads,
)

KINDS: Sequence[type[SampleFinding]] = (SampleBlock, SampleDeadlock, SamplePoolWait, SampleKill)
SCOPE = AuditScope(9, ("/read", "/pay", "/å/{id}"), 60.0, 1)
HOLDERS = (keep_threads("/pay", 4.0), keep_threads(None, 2.0), keep_threads("/read", 2.0))
"""The code of one place, in several routes."""
names = st.sampled_from([None, "read", "pay", "<lambda>"])
findings = st.builds(
    lambda kind, **fields: kind(**fields),
    st.sampled_from(KINDS),
    severity=st.sampled_from(["error", "warning", "info"]),
    confidence=st.sampled_from(["high", "medium", "low"]),
    route=st.sampled_from([None, "/read", "/å/{id}"]),
    phase=st.sampled_from([None, "endpoint", "startup"]),
    file=st.sampled_from([None, "main.py", "../shared/a b#1.py", "<frozen runpy>"]),
    line=st.one_of(st.none(), st.integers(1, 99)),
    function=names,
    call=st.sampled_from([None, "time.sleep", "re.match"]),
    seconds=st.floats(0, 1e6),
    longest_ms=st.one_of(st.none(), st.floats(0, 1e6)),
    holders=st.sampled_from([None, HOLDERS]),
)


def gather(found: Sequence[AuditFinding]) -> AuditFindings:
    """Gather them, the worst first, like an audit."""
    return AuditFindings(findings=sort_findings(found), scope=SCOPE)


def save_baseline(path: Path, found: Sequence[AuditFinding]) -> Path:
    path.write_text(json.dumps(export_findings(gather(found))))
    return path
