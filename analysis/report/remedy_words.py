"""The remedy of a finding in words: the code change and its predicted effect."""

from collections.abc import Iterator
from textwrap import dedent

from analysis.findings import AuditFinding
from analysis.findings.cures.effects import TIE, compute_gain, list_slower, pair_levels
from analysis.findings.remedies import Cure, Predicted, RouteLevel, Tried
from analysis.findings.trials.judge_trial import is_better
from analysis.report.table import WIDTH, wrap_whole
from analysis.stats import formats

SHOWN_MS = 0.05
"""Shorter times would round to 0.0."""
REFUTED = "But its trial made requests slower or made them fail, and none faster."
INDENT = "    "
CUT = " …"


def list_changes(cure: Cure) -> list[tuple[str, str]]:
    """List removed and added lines with - or +, without their common indent."""
    lines = dedent("\n".join((*cure.before, *cure.after))).split("\n")
    signs = "-" * len(cure.before) + "+" * len(cure.after)
    return list(zip(signs, lines, strict=True)) if signs else []


def format_cure_place(cure: Cure) -> str:
    """Return an empty text if the place is not in the user's files."""
    if cure.file is None:
        return ""
    return cure.file if cure.line is None else f"{cure.file}:{cure.line}"


def describe_cost(cure: Cure, is_cheap: bool) -> str:
    """Describe saving and cost; return an empty text if neither is known. is_cheap: the cost of the
    move is all that the finding's own route loses."""
    verb = "frees the event loop for" if cure.frees_loop else "saves"
    saves = f"{verb} {format_time(cure.saves_ms)}" if cure.saves_ms else ""
    costs = f"costs {format_time(cure.costs_ms)}" if cure.costs_ms and is_cheap else ""
    both = " and ".join(filter(None, (saves, costs)))
    return f"It {both} per request." if both else ""


def format_time(time_ms: float) -> str:
    return "less than 0.1 ms" if time_ms < SHOWN_MS else f"{formats.milliseconds(time_ms)} ms"


def describe_cure(found: AuditFinding) -> str:
    """Give the reason, then saving and cost, or the fact that a trial speaks against the change.
    Return an empty text without a change."""
    cure, tried = found.cure, found.tried
    if cure is None:
        return ""
    last = describe_cost(cure, found.route not in list_slower(found))
    if tried is not None and is_refuted(cure, tried):
        last = REFUTED
    return " ".join(filter(None, (cure.reason, last)))


def is_refuted(cure: Cure, tried: Tried) -> bool:
    """Return True if a trial of exactly this change made requests slower or fail, and did nothing
    good."""
    is_its_own = tried.trial is not None and tried.trial == cure.trial
    more_fail = [each.after > each.before for each in tried.failures]
    harms = bool(tried.worse) or any(more_fail)
    helps = any(map(is_better, tried.routes)) or not all(more_fail)
    return is_its_own and harms and not helps


def render_cure(found: AuditFinding, indent: str = "") -> Iterator[str]:
    """Yield terminal lines: the reason and the change. A line of code that is too long ends in
    CUT. Yield nothing without a change."""
    cure = found.cure
    if cure is None:
        return
    change = f"Change {format_cure_place(cure)}".rstrip()
    yield from wrap_whole(f"{change}: {describe_cure(found)}", indent)
    room = WIDTH - len(indent) - len(INDENT) - 2
    for sign, line in list_changes(cure):
        shown = line if len(line) <= room else line[: room - len(CUT)] + CUT
        yield f"{indent}{INDENT}{sign} {shown}".rstrip()


def describe_predicted(predicted: Predicted) -> str:
    """Describe the route whose median improves most, and the routes that become slower. Return an
    empty text without a prediction."""
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


def format_change(before: RouteLevel, after: RouteLevel) -> str:
    old, new = formats.milliseconds(before.p50_ms), formats.milliseconds(after.p50_ms)
    return f"from {old} ms to {new} ms"
