"""The live view in a terminal: a panel below the permanent rows."""

from collections.abc import Iterator

from rich.text import Text

from analysis.stats import formats
from records.harmless import make_harmless
from study.live.follow import LiveSample

WIDTH = 79
BAR = 24
FULL, EMPTY = "█", "·"
SILENT_MS = 1000.0


def render_panel(head: str, look: LiveSample | None) -> Text:
    """Return plain text, with colours for problems; markup in it has no effect."""
    lines = [Text(fit_line(head), style="bold")]
    if look is not None:
        lines += [Text(fit_line(line), style=style) for line, style in render_lines(look)]
    return Text("\n").join(lines)


def fit_line(line: str) -> str:
    line = make_harmless(line)
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def render_lines(look: LiveSample) -> Iterator[tuple[str, str]]:
    now = look.progress
    users = f"{now.users:,} users, " if now.users else ""
    if now.sent:  # oha reports nothing before its end
        yield (
            f"  load     {users}{now.in_flight:,} in flight, {formats.rate(look.good_rps)} "
            f"successful and {formats.rate(look.failed_rps)} failed per second",
            "",
        )
    if look.threads is not None:
        alive = sum(look.threads.values())
        kinds = ", ".join(
            f"{count:,} {kind.replace('_', ' ')}" for kind, count in look.threads.items() if count
        )
        yield f"  threads  {render_bar(alive, look.threads_peak)} {alive:,}: {kinds}", ""
    if look.pool_total:
        bar = render_bar(look.pool_borrowed, look.pool_total)
        yield (
            f"  pool     {bar} {look.pool_borrowed:,} of {look.pool_total:,} in use, "
            f"{look.pool_waiting:,} waiting",
            "yellow" if look.pool_waiting else "",
        )
    if look.heartbeat_age_ms is not None:
        silent = look.heartbeat_age_ms > SILENT_MS
        held = f", blocked by {look.blocked_by}" if look.blocked_by and silent else ""
        age = formats.milliseconds(look.heartbeat_age_ms)
        yield f"  loop     last heartbeat {age} ms ago{held}", "red" if silent else ""
    for error, count in look.failures:
        yield f"  failed   {count:,} × {' '.join(error.split())}", "red"


def render_bar(value: float, most: float) -> str:
    """Draw at least one block for any value above 0."""
    share = min(1.0, value / most) if most > 0 else 0.0
    full = max(round(BAR * share), 1 if value > 0 else 0)
    return FULL * full + EMPTY * (BAR - full)
