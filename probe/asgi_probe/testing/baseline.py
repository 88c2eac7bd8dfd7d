"""The file of known blocks: sites that do not fail a test yet. A site has no line number, which
other changes move."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

VERSION = 1
OPTION = "--loop-blocking-baseline"


class SiteKey(NamedTuple):
    file: str
    function: str
    call: str


def read_baseline(path: Path) -> frozenset[SiteKey]:
    """Raises pytest.UsageError if the file is missing or has another format."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}")
        return frozenset(SiteKey(**each) for each in content["blocks"])
    except FileNotFoundError:
        raise pytest.UsageError(
            f"{OPTION}: {path} is missing; --loop-blocking-write-baseline writes it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise pytest.UsageError(
            f"{OPTION}: {path} is not a baseline that the plug-in wrote"
        ) from None


def write_baseline(path: Path, keys: Iterable[SiteKey]) -> None:
    """Raises OSError."""
    blocks = [each._asdict() for each in sorted(set(keys))]
    text = json.dumps({"version": VERSION, "blocks": blocks}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
