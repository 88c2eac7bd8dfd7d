"""Small records of trials, for tests of their evaluation."""

from collections.abc import Mapping, Sequence

import polars as pl

from records.audit import ASKED
from records.trial import Side, TrialRecord, TrialRound
from tests.unit.audit_samples import make_table

ROUND_S = 4.0
SIDES: tuple[Side, Side] = ("before", "after")
Row = Mapping[str, object]


def make_rows(
    began_s: float, latencies_ms: Mapping[str, float | None], count: int = 20, **columns: object
) -> list[Row]:
    """Requests of each route, evenly after the warm-up; None: never answered."""
    rows: list[Row] = []
    for route, took_ms in latencies_ms.items():
        for number in range(count):
            started_s = began_s + 1.0 + (ROUND_S - 1.5) * number / count
            ended_s = None if took_ms is None else started_s + took_ms / 1000
            status = None if took_ms is None else 200
            row = {"method": "GET", "route": route, "started_s": started_s, "ended_s": ended_s}
            rows.append({**row, "status": status, **columns})
    return rows


def make_trial(
    before: Sequence[Mapping[str, float | None]],
    after: Sequence[Mapping[str, float | None]],
    trial: str = "pool=100",
) -> tuple[TrialRecord, dict[str, pl.DataFrame]]:
    """A round of each side in turn, by the latency of each route."""
    rounds, asked = [], {}
    for number, latencies_ms in enumerate(
        each for pair in zip(before, after, strict=True) for each in pair
    ):
        began_s, name = 100.0 + 10 * number, f"trial-1-{number // 2 + 1}-{SIDES[number % 2]}"
        rounds.append(TrialRound(SIDES[number % 2], name, began_s, began_s + ROUND_S))
        asked[name] = make_table(make_rows(began_s, latencies_ms), ASKED)
    return TrialRecord(trial, tuple(rounds)), asked
