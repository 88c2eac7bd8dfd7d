"""Learns the routes of the first requests from the app's probe.

Without a template in a document, every path would be its own route, and each path, which may be a
secret, would be in every record.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

from records.audit import Phase
from records.build_probe_tables import build_handlers_table
from records.build_tables import read_journals
from scenarios.units import Second
from stress.audit.ask import Ask, Templates
from stress.audit.driven import Row

LEARN_S: Second = 1.5
"""The probe writes four times per second, but nothing for requests that never reach the app."""
LOOK_S: Second = 0.1
Paths = Mapping[tuple[str, str], str]
"""Maps method and path to the route."""


async def learn_routes(folder: Path, rows: Sequence[Row], templates: Templates) -> Paths:
    """Return the routes of rows that have no template yet. folder: of the probe's journals."""
    known = frozenset(templates)
    paths = {row[2]: (row[3], row[4]) for row in rows if (row[3], row[4]) not in known}
    deadline_s = monotonic() + LEARN_S
    routes: Mapping[int, str] = {}
    while paths.keys() - routes.keys() and monotonic() < deadline_s:
        await asyncio.sleep(LOOK_S)
        routes = await asyncio.to_thread(read_routes, folder)
    return {paths[each]: route for each, route in routes.items() if each in paths}


def read_routes(folder: Path) -> Mapping[int, str]:
    """Return the routes by request id."""
    journals, _ = read_journals(sorted(folder.glob("probe-*.journal")))
    handlers = build_handlers_table(journals, 0.0, monotonic())
    known = handlers.select("request_id", "route").drop_nulls()
    return dict(known.iter_rows())


def rename_row(row: Row, routes: Paths) -> Row:
    return (*row[:4], routes.get(row[3:5], row[4]), *row[5:])


def rename_phase(phase: Phase, routes: Paths) -> Phase:
    names = {f"{method} {path}": f"{method} {route}" for (method, path), route in routes.items()}
    renamed = dict.fromkeys(names.get(each, each) for each in phase.routes)
    return replace(phase, routes=tuple(renamed))


def rename_ask(ask: Ask, routes: Paths) -> Ask:
    return replace(ask, route=routes.get((ask.method, ask.route), ask.route))
