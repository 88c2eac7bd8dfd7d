"""What takes a finding away, in words: the change of the code, and what is predicted of it."""

from collections.abc import Iterator, Sequence
from math import inf
from textwrap import dedent

from analysis.findings.remedies import Cure, Predicted, RouteLevel
from analysis.report.table import WIDTH, wrap_whole
from analysis.stats import formats

TIE = 1.05
"""Medians that differ by less are the same."""
INDENT = "    "
CUT = " …"


def list_changes(cure: Cure) -> list[tuple[str, str]]:
    """Lines that go and come, with - or +; what all are indented by is left out."""
    lines = dedent("\n".join((*cure.before, *cure.after))).split("\n")
    signs = "-" * len(cure.before) + "+" * len(cure.after)
    return list(zip(signs, lines, strict=True)) if signs else []


def format_cure_place(cure: Cure) -> str:
    """Empty where it is none of the user's files."""
    if cure.file is None:
        return ""
    return cure.file if cure.line is None else f"{cure.file}:{cure.line}"


def describe_cost(cure: Cure) -> str:
    """Empty where neither is known."""
    verb = "frees the event loop for" if cure.frees_loop else "saves"
    saves = f"{verb} {formats.milliseconds(cure.saves_ms)} ms" if cure.saves_ms else ""
    costs = f"costs {formats.milliseconds(cure.costs_ms)} ms" if cure.costs_ms else ""
    both = " and ".join(filter(None, (saves, costs)))
    return f"It {both} in each request." if both else ""


def describe_cure(cure: Cure) -> str:
    """Why, what it costs, and how to try it."""
    return " ".join(filter(None, (cure.reason, describe_cost(cure))))


def render_cure(cure: Cure, indent: str = "") -> Iterator[str]:
    """Lines of a terminal: why, and the change. A line of code that is too long is cut, and so
    marked."""
    place = format_cure_place(cure)
    yield from wrap_whole(
        f"{f'Change {place}' if place else 'Change'}: {describe_cure(cure)}", indent
    )
    room = WIDTH - len(indent) - len(INDENT) - 2
    for sign, line in list_changes(cure):
        shown = line if len(line) <= room else line[: room - len(CUT)] + CUT
        yield f"{indent}{INDENT}{sign} {shown}".rstrip()


def describe_predicted(predicted: Predicted) -> str:
    """Of the route whose median changes most, and of those that become slower. Empty where it is
    not known."""
    pairs = pair_levels(predicted.before, predicted.after)
    if not pairs:
        return ""
    users = formats.count_things(predicted.users, "user")
    best = max(pairs, key=lambda pair: compute_gain(*pair))
    if compute_gain(*best) < TIE:
        changed = "no route becomes faster"
    else:
        changed = f"the median of {best[0].route} falls {format_change(*best)}"
    worse = "; ".join(
        f"the median of {pair[0].route} rises {format_change(*pair)}"
        for pair in pairs
        if compute_gain(*pair) < 1 / TIE
    )
    return f"Predicted for {users}: {changed}" + (f"; {worse}." if worse else ".")


def pair_levels(
    before: Sequence[RouteLevel], after: Sequence[RouteLevel]
) -> list[tuple[RouteLevel, RouteLevel]]:
    """Those of one route."""
    known = {each.route: each for each in after}
    return [(each, known[each.route]) for each in before if each.route in known]


def compute_gain(before: RouteLevel, after: RouteLevel) -> float:
    """Of the medians: more than 1 is better."""
    if after.p50_ms:
        return before.p50_ms / after.p50_ms
    return inf if before.p50_ms else 1.0


def format_change(before: RouteLevel, after: RouteLevel) -> str:
    old, new = formats.milliseconds(before.p50_ms), formats.milliseconds(after.p50_ms)
    return f"from {old} ms to {new} ms"
