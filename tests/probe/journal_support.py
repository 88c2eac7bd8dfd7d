"""Journals with chosen rows, as the probe writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import nan
from pathlib import Path

from asgi_probe.journal import CODES, Columns, ProbeJournal, make_packer
from asgi_probe.session import list_tables

BEAT_S = 0.01
STACK = json.dumps([
    ["json.decoder", "/usr/lib/python3.12/json/decoder.py", 340, "decode", 332],
    ["main", "/home/me/shop/main.py", 7, "read_item", 5],
    ["starlette.routing", "/venv/lib/python3.12/site-packages/starlette/routing.py", 70, "app", 60],
])  # fmt: skip


class WrittenJournal:
    """A journal whose rows are given by column; what is left out is unknown, or 0."""

    def __init__(self, folder: Path, pid: int = 1, start_s: float = 0.0) -> None:
        self.path = folder / f"probe-{pid}-{start_s:.3f}.journal"
        about = {"pid": pid, "beat_us": round(BEAT_S * 1e6)}
        self._journal = ProbeJournal(self.path, list_tables(), about)

    def add(self, letter: str, **given: float | str | None) -> None:
        columns: Columns = list_tables()[letter]
        assert set(given) <= {name for name, _ in columns}
        values = [self._pack(given.get(name), kind) for name, kind in columns]
        self._journal.add(letter, make_packer(columns)(*values))

    def _pack(self, value: float | str | None, kind: str) -> float:
        if kind == "text":
            assert value is None or isinstance(value, str)
            return self._journal.intern_text(value)
        assert not isinstance(value, str)
        if CODES[kind] == "d":
            return nan if value is None else value
        return value or 0

    def flush(self) -> None:
        self._journal.flush()

    def close(self) -> None:
        self._journal.close()

    def add_sample(self, at_s: float, age_s: float = BEAT_S, **more: float) -> None:
        self.add("s", at_s=at_s, heartbeat_age_s=age_s, cpu_s=0.0, **more)

    def add_request(
        self,
        visit: int,
        route: str,
        arrived_s: float,
        sent_s: float | None = None,
        status: int = 200,
    ) -> None:
        """One that is in flight if `sent_s` is None."""
        self.add(
            "h", visit=visit, route=route, arrived_s=arrived_s, sent_s=sent_s, returned_s=sent_s,
            status=status if sent_s else 0, pool_wait_s=0.25,
        )  # fmt: skip


@contextmanager
def written(folder: Path, pid: int = 1, start_s: float = 0.0) -> Iterator[WrittenJournal]:
    journal = WrittenJournal(folder, pid, start_s)
    yield journal
    journal.close()
