"""The CPU quota of a container: how long the kernel throttled its processes (Linux).

Source: control groups, versions 1 and 2: `cpu.stat` of the process's group and of its parents.
"""

from collections.abc import Iterator
from pathlib import Path

from scenarios.units import Second

MEMBERSHIP = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")
PER_S = {"throttled_usec": 1e6, "throttled_time": 1e9}
"""Units per second of the field in cpu.stat, in version 2 and in version 1."""


def find_cpu_stats(membership: Path = MEMBERSHIP, groups: Path = GROUPS) -> tuple[Path, ...]:
    """Return this process's cpu.stat files; none without control groups."""
    try:
        lines = membership.read_text("utf-8").splitlines()
    except OSError:
        return ()
    return tuple(dict.fromkeys(each for line in lines for each in list_stats(line, groups)))


def list_stats(line: str, groups: Path) -> Iterator[Path]:
    """Yield the files for a line `hierarchy:controllers:group`; version 2 names no controllers."""
    _, controllers, group = line.split(":", 2)
    if controllers and "cpu" not in controllers.split(","):
        return
    own = Path(group.lstrip("/"))
    for folder in (own, *own.parents):
        path = groups / controllers / folder / "cpu.stat"
        if path.is_file():
            yield path


def read_throttled_s(stats: tuple[Path, ...]) -> Second | None:
    """Return the throttled time since the group was created, over all cores, of the group that was
    throttled the longest. Return None if no group has a quota."""
    found = []
    for path in stats:
        try:
            fields = dict(line.split() for line in path.read_text("utf-8").splitlines())
        except (OSError, ValueError):
            continue  # the group no longer exists
        found += [int(fields[name]) / per_s for name, per_s in PER_S.items() if name in fields]
    return max(found, default=None)
