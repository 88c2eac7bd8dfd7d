"""The plug-in's settings: from the command line, the ini file and the marker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from .baseline import OPTION, SiteKey, check_file, read_baseline
from .durations import parse_duration

ACTIONS = ("fail", "warn")


class CheckLimits(NamedTuple):
    """Maxima in seconds; None: not checked. allow: patterns of functions that may block."""

    blocked_s: float | None
    pool_wait_s: float | None
    allow: Sequence[str]


class CheckSettings(NamedTuple):
    """baseline: the sites in the file, which do not fail. writes: all found sites go to the file
    instead."""

    limits: CheckLimits
    warns: bool
    baseline: frozenset[SiteKey]
    baseline_path: Path | None
    writes: bool


def read_settings(config: pytest.Config) -> CheckSettings:
    """Raises pytest.UsageError for a value that is not usable."""
    action = read_option(config, "loop-blocking-action")
    if action not in (None, *ACTIONS):
        raise pytest.UsageError(f"--loop-blocking-action: fail or warn, not {action!r}")
    writes = bool(config.getoption("--loop-blocking-write-baseline"))
    limits = CheckLimits(
        read_duration(config, "loop-blocking"),
        read_duration(config, "pool-wait"),
        tuple(config.getini("loop_blocking_allow")),
    )
    path = find_baseline(config, writes=writes)
    if path is not None and limits.blocked_s is None:
        raise pytest.UsageError(f"{OPTION}: name the longest block with --loop-blocking=50ms")
    return CheckSettings(
        limits=limits,
        warns=action == "warn",
        baseline=frozenset() if path is None else read_baseline(path, writes=writes),
        baseline_path=path,
        writes=writes,
    )


def find_baseline(config: pytest.Config, *, writes: bool) -> Path | None:
    given = read_option(config, "loop-blocking-baseline")
    if given == "" or (writes and given is None):
        what = "--loop-blocking-write-baseline" if given is None else OPTION
        raise pytest.UsageError(f"{what}: name the file with {OPTION}=FILE")
    if given is None:
        return None
    path = config.rootpath / given
    check_file(path, writes=writes)
    return path


def read_option(config: pytest.Config, name: str) -> str | None:
    """Return an option of the command line, which may be empty, or else of the ini file."""
    given: str | None = config.getoption(f"--{name}")
    return given if given is not None else config.getini(name.replace("-", "_")) or None


def read_duration(config: pytest.Config, name: str) -> float | None:
    given = read_option(config, name)
    try:
        return None if given is None else parse_duration(given)
    except ValueError as error:
        raise pytest.UsageError(f"--{name}: {error}") from None


def read_marker(item: pytest.Item, limits: CheckLimits) -> CheckLimits:
    """Return an item's limits. Raises pytest.UsageError for a wrong marker."""
    marker = item.get_closest_marker("loop_blocking")
    if marker is None:
        return limits
    try:
        if marker.args:
            raise ValueError('name its arguments: max="50ms" and allow=[...]')
        return apply_limits(limits, marker.kwargs)
    except ValueError as error:
        raise pytest.UsageError(f"{item.nodeid}: marker loop_blocking: {error}") from None


def apply_limits(limits: CheckLimits, given: Mapping[str, object]) -> CheckLimits:
    """given: `max` and `allow`. Raises ValueError."""
    unknown = set(given) - {"max", "allow"}
    if unknown:
        raise ValueError(f"max and allow, not {min(unknown)}")
    blocked_s = parse_duration(given["max"]) if "max" in given else limits.blocked_s
    if blocked_s is None:
        raise ValueError('max="50ms" is missing, and --loop-blocking is not given')
    allow = given.get("allow", ())
    if not isinstance(allow, (list, tuple)) or not all(isinstance(each, str) for each in allow):
        raise ValueError(f'allow is a list of "module.function", not {allow!r}')
    return limits._replace(blocked_s=blocked_s, allow=(*limits.allow, *allow))
