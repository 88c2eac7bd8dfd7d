"""Findings of an audit in words: names, counts and places."""

from collections import defaultdict
from collections.abc import Sequence

from analysis.findings import AuditFinding
from analysis.stats import formats

OF_ROUTES = ("MIDDLEWARE_COST", "TRIVIAL_DEF")
"""Findings about code; they have no route if several routes use the code."""
UNCLEAR = ("TRIVIAL_DEF",)
"""An offloaded call takes longer while other code blocks the event loop: its seconds are not all
its own."""
SHOWN_S = 0.05
"""Fewer seconds would round to 0.0."""


def name_finding(found: AuditFinding) -> str:
    """Name what happens at the place; for a block, add its cause."""
    return f"{found.short}: {found.cause}" if found.code == "LOOP_BLOCKED" else found.short


def count_findings(found: Sequence[AuditFinding]) -> str:
    """Count by code, as in "the event loop is blocked at 3 places, for 28.0 s"."""
    by_code: dict[str, list[AuditFinding]] = defaultdict(list)
    for each in found:
        by_code[each.code].append(each)
    return "; ".join(map(count_code, by_code.values()))


def count_code(mine: Sequence[AuditFinding]) -> str:
    """Count findings of one code."""
    seconds = 0.0 if mine[0].code in UNCLEAR else sum(each.seconds or 0.0 for each in mine)
    is_placed = any(each.file or each.route for each in mine)
    places = f" at {formats.count_things(count_places(mine), 'place')}" if is_placed else ""
    comma = "," if places else ""
    lasts = f"{comma} for {seconds:,.1f} s" if seconds >= SHOWN_S else ""
    return f"{mine[0].clause}{places}{lasts}"


def count_places(found: Sequence[AuditFinding]) -> int:
    """Count a line of code once, whichever routes run it."""
    return len({(each.file, each.line) if each.file else (each.call, each.route) for each in found})


def format_place(found: AuditFinding) -> str:
    if found.file is None:
        is_library = found.route or found.cause == "gc"
        return found.call or ("library code" if is_library else "the server")
    return f"{found.file}:{found.line} {found.function}"


def format_route(found: AuditFinding) -> str:
    """Return route and phase, as far as they are known."""
    if found.route is None and found.phase is None and found.code != "LOOP_BLOCKED":
        return "all routes"
    unknown = "several routes" if found.code in OF_ROUTES else "unknown route"
    route = found.route or ("no request" if found.phase == "startup" else unknown)
    return f"{route} ({found.phase})" if found.phase else route
