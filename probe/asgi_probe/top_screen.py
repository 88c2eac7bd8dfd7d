"""The text of `asgi_probe top`: three tables, at most 80 columns wide."""

from __future__ import annotations

from collections.abc import Sequence

from .live_lines import BLOCKS_WINDOW_S, WINDOW_S, ProcessLine, RouteLine, SiteLine
from .live_state import ServiceState

MOST_ROWS = 12
"""Of each table; the rest is counted."""
LEAST_FIRST = 16
GAP = "  "
NOTE = (
    f"Of the last {WINDOW_S:.0f} s; blocks of {BLOCKS_WINDOW_S:.0f} s. "
    "Only the lag includes waits for a core."
)
LOOPS = ("event loop", "in flight", "pool", "waiting", "threads", "longest lag", "CPU", "memory")
ROUTES = ("route", "requests/s", "in flight", "median", "longest", "pool wait", "failed")
SITES = ("blocks the loop", "route", "times", "total", "longest", "CPU")


def render_screen(state: ServiceState, title: str, columns: int) -> list[str]:
    """Return the lines. columns: width of the terminal; a narrower one cuts the lines."""
    lines = [title]
    loops = [format_process(each) for each in state.list_processes()]
    lines += render_table(LOOPS, loops, columns)
    routes = [format_route(each) for each in state.list_routes()]
    lines += render_table(ROUTES, routes, columns)
    if not routes:
        lines.append(f"No request in the last {WINDOW_S:.0f} s.")
    sites = [format_site(each) for each in state.list_sites()]
    if sites:
        lines += render_table(SITES, sites, columns)
    return [*lines, "", NOTE]


def format_process(line: ProcessLine) -> tuple[str, ...]:
    pool = "" if line.total is None else f"{line.borrowed:.0f}/{line.total:.0f}"
    return (
        f"process {line.pid}", str(line.in_flight), pool,
        "" if line.waiting is None else f"{line.waiting:.0f}",
        str(line.threads), format_seconds(line.lag_s), f"{line.cores:.0%}",
        f"{line.rss_bytes / 2**20:.0f} MiB",
    )  # fmt: skip


def format_route(line: RouteLine) -> tuple[str, ...]:
    return (
        line.route, f"{line.per_s:.1f}", str(line.in_flight), format_seconds(line.latency_s),
        format_seconds(line.longest_s), format_seconds(line.wait_s), str(line.failed or ""),
    )  # fmt: skip


def format_site(line: SiteLine) -> tuple[str, ...]:
    cpu = "" if line.cpu_s is None or not line.blocked_s else f"{line.cpu_s / line.blocked_s:.0%}"
    return (
        line.site, line.route, str(line.blocks), format_seconds(line.blocked_s),
        format_seconds(line.longest_s), cpu,
    )  # fmt: skip


def format_seconds(value: float | None) -> str:
    """Return "" for None."""
    if value is None:
        return ""
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def render_table(titles: Sequence[str], rows: Sequence[tuple[str, ...]], columns: int) -> list[str]:
    """Return a blank line, the titles, and at most MOST_ROWS rows. The first column takes what the
    others leave. Unprintable characters become "?": a path is the client's, and may hold some."""
    shown = [titles, *rows[:MOST_ROWS]]
    cells = [
        ["".join(c if c.isprintable() else "?" for c in cell) for cell in row] for row in shown
    ]
    widths = [min(max(map(len, column)), columns // 3) for column in zip(*cells)]
    rest = sum(widths[1:]) + len(GAP) * (len(widths) - 1)
    widths[0] = max(LEAST_FIRST, columns - rest)
    lines = [GAP.join(map(align, row, widths, range(len(row)))).rstrip()[:columns] for row in cells]
    if len(rows) > MOST_ROWS:
        lines.append(f"and {len(rows) - MOST_ROWS} more")
    return ["", *lines]


def align(cell: str, width: int, place: int) -> str:
    """Align texts to the left and figures to the right; cut the beginning of a long text."""
    if len(cell) > width:
        cell = "…" + cell[len(cell) - width + 1 :]
    return cell.ljust(width) if place == 0 or cell.startswith(("/", "…")) else cell.rjust(width)
