"""How long a CPU quota throttled a container: both versions of control groups, and the real one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from stress.cpu_quota import find_cpu_stats, read_throttled_s

BURN = """
import os, sys, time
from pathlib import Path
from stress.cpu_quota import find_cpu_stats, read_throttled_s
members = Path(sys.argv[1])
members.write_text(str(os.getpid()))
spent_s = time.process_time()
while time.process_time() < spent_s + 0.01: pass
stopped_s = read_throttled_s(find_cpu_stats())
(members.parent.parent / members.name).write_text(str(os.getpid()))
print(stopped_s)
"""
V1 = Path("/sys/fs/cgroup/cpu")
V2 = Path("/sys/fs/cgroup/cgroup.controllers")


def test_version_2_counts_the_group_and_those_around_it(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("0::/pod/app\n")
    inner = tmp_path / "pod" / "app"
    inner.mkdir(parents=True)
    (tmp_path / "cpu.stat").write_text("usage_usec 9000000\n")
    (inner / "cpu.stat").write_text("usage_usec 5000000\nnr_throttled 3\nthrottled_usec 250000\n")
    (inner.parent / "cpu.stat").write_text("throttled_usec 1500000\n")
    found = find_cpu_stats(tmp_path / "membership", tmp_path)
    assert len(found) == 3
    assert read_throttled_s(found) == 1.5


def test_version_1_counts_nanoseconds_of_the_cpu_group(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("5:memory:/app\n4:cpu,cpuacct:/app\n")
    for controller in ("memory", "cpu,cpuacct"):
        (tmp_path / controller / "app").mkdir(parents=True)
        (tmp_path / controller / "app" / "cpu.stat").write_text("throttled_time 2500000000\n")
    (found,) = find_cpu_stats(tmp_path / "membership", tmp_path)
    assert found.parent.parent.name == "cpu,cpuacct"
    assert read_throttled_s((found,)) == 2.5


def test_without_control_groups_it_is_unknown(tmp_path: Path) -> None:
    assert find_cpu_stats(tmp_path / "none", tmp_path) == ()
    assert read_throttled_s(()) is None
    assert read_throttled_s((tmp_path / "gone",)) is None


@pytest.fixture
def hundredth_of_a_core() -> Iterator[Path]:
    """A control group with that quota; its file of members."""
    if V2.is_file():
        group, quota, members = V2.parent, ("cpu.max", "1000 100000"), "cgroup.procs"
    else:
        group, quota, members = V1, ("cpu.cfs_quota_us", "1000"), "tasks"
    group /= f"quota-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / quota[0]).write_text(quota[1])
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"no control group with a CPU quota can be made here: {error.strerror}")
    try:
        yield group / members
    finally:
        group.rmdir()


def test_a_real_quota_is_seen(hundredth_of_a_core: Path) -> None:
    argv = (sys.executable, "-c", BURN, str(hundredth_of_a_core))
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    # 10 ms of CPU take ten periods of 100 ms, and longer on a busy machine
    assert float(ended.stdout) > 0.1
