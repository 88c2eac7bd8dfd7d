"""A sqlite3 query that holds the GIL in a thread because threads share its connection."""

from pathlib import Path

import pytest

from analysis.findings.base import ShownFrame
from analysis.findings.blocks.causes import Cause
from analysis.findings.cures.block_cures import cure_block
from analysis.findings.cures.blocked_code import BlockedCode
from analysis.findings.places import BlockPlace
from tests.unit.cure_samples import build_evidence_in, check_cure, find_line, write_app

STORE = """
import {library}


def load(number):
    return DB.execute(QUERY, (number,)).fetchone()
"""


@pytest.mark.parametrize(
    ("library", "cause", "is_shared"),
    [
        ("sqlite3", "gil", True),
        ("sqlite3", "compute", False),  # on the loop itself
        ("psycopg", "gil", False),
    ],
)
def test_threads_do_not_share_a_connection(
    library: str, cause: Cause, is_shared: bool, tmp_path: Path
) -> None:
    file = write_app(tmp_path, STORE.format(library=library))
    line = find_line(file, "DB.execute")
    place = BlockPlace("/report", "endpoint", "main.py", line, "load")
    stack = (ShownFrame("main", "main.py", line, "load"),)
    code = BlockedCode(place, stack, cause, None, 50.0, 0.9)
    cure = check_cure(cure_block(code, build_evidence_in(tmp_path)), "LOOP_BLOCKED")
    assert ("no other thread uses" in cure.after[0]) is is_shared
    assert ("processes.submit" in cure.after[0]) is not is_shared


def test_a_computation_below_a_query_is_not_the_connections(tmp_path: Path) -> None:
    """Its stack continues below the line, in Python."""
    file = write_app(tmp_path, STORE.format(library="sqlite3"))
    line = find_line(file, "DB.execute")
    place = BlockPlace("/report", "endpoint", "main.py", line, "load")
    stack = (ShownFrame("rows", "rows.py", 9, "read"), ShownFrame("main", "main.py", line, "load"))
    code = BlockedCode(place, stack, "gil", None, 50.0, 0.9)
    cure = check_cure(cure_block(code, build_evidence_in(tmp_path)), "LOOP_BLOCKED")
    assert "processes.submit" in cure.after[0]
