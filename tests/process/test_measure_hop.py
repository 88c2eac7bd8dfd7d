"""The cost of an offloaded call, in another interpreter."""

import sys
from pathlib import Path

import pytest

from stress.audit.measure_hop import measure_hop_ms
from stress.interruption import CellInterruptedError, Interruption

pytestmark = [pytest.mark.slow, pytest.mark.untimed]


def test_it_takes_part_of_a_millisecond_or_some(tmp_path: Path) -> None:
    """At least the two system calls that wake a thread and the loop; never a hundred
    milliseconds."""
    hop_ms = measure_hop_ms(sys.executable, tmp_path, Interruption())
    assert hop_ms is not None
    assert 0.005 < hop_ms < 100
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/true", "/bin/false"])
def test_what_does_not_measure_is_unknown(program: str, tmp_path: Path) -> None:
    assert measure_hop_ms(program, tmp_path, Interruption()) is None
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_interrupted(tmp_path: Path) -> None:
    with pytest.raises(CellInterruptedError, match="Ctrl-C"):
        measure_hop_ms(sys.executable, tmp_path, Interruption("Ctrl-C"))
    assert list(tmp_path.iterdir()) == []
