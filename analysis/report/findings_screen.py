"""An audit's findings on one terminal screen: the worst first and the answer last.

Findings that do not fit are counted; -v shows them all.
"""

from collections.abc import Iterator, Sequence
from sys import maxsize

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.finding_threshold import BLIND, BLIND_TO_BLOCKS, BLIND_TO_WAITS
from analysis.findings.remedies import Cure
from analysis.report.audit_overview import build_overview_table
from analysis.report.finding_words import format_route
from analysis.report.findings_table import (
    build_findings_table,
    choose_shown,
    count_hidden,
    find_worst,
    list_notices,
    take_turns,
    write_answer,
    write_notices,
)
from analysis.report.harm_table import render_matrix
from analysis.report.remedy_words import render_cure
from analysis.report.table import (
    Table,
    render_headings,
    render_rows,
    render_terminal,
    wrap_note,
    wrap_whole,
)
from analysis.report.trial_lines import render_trials

SCREEN_LINES = 30
CLOSING_LINES = 3
"""Lines printed afterwards, which name the files."""
MOST_ROUTES = 6
LEAST_ROWS, LEAST_WITH_TRIALS = 4, 2
"""Findings that are shown even if they do not fit."""
FRAME_LINES = 2
"""Lines around the rows: the headings, and the count of hidden findings."""
SAID = ("UNCHECKED",)
"""Notices that the answer says, too."""
GAPS = (*BLIND, *BLIND_TO_BLOCKS, *BLIND_TO_WAITS, "NO_CLOCKS")
ESSENTIAL = tuple(each for each in GAPS if each not in SAID)
"""Notices about gaps that affect the whole answer."""


class Screen:
    """The free lines of a terminal screen."""

    def __init__(self, room: int) -> None:
        self.room = room

    def take(self, lines: int) -> bool:
        """Take the lines and return True if they fit."""
        has_room = lines <= self.room
        self.room -= lines if has_room else 0
        return has_room


def render_audit(
    found: AuditFindings, evidence: AuditEvidence, width: int | None, verbose: bool = False
) -> list[str]:
    """Return the lines of the routes, then of the findings."""
    table = build_overview_table(evidence, None if verbose else MOST_ROUTES)
    routes = render_terminal(table, width)
    room = maxsize if verbose else SCREEN_LINES - CLOSING_LINES - len(routes) - 1
    return [*routes, "", *render_findings(found, width, verbose, room)]


def render_findings(
    found: AuditFindings, width: int | None, verbose: bool = False, room: int = maxsize
) -> list[str]:
    """Return lines that fit a terminal. verbose: every finding and notice, stacks, and the matrix.
    Shared advice is shown once, and a change replaces advice. room: free lines."""
    worst = find_worst(found)
    cure = [] if worst is None else list(render_cure(worst))
    answer = [*wrap_whole(write_answer(found)), *cure]
    notices = NoticeLines(found, verbose)
    room -= 1 + len(answer) + notices.least
    trials = render_trials(found.trials, room - LEAST_ROWS - FRAME_LINES)
    screen = Screen(room - len(trials))
    least = LEAST_WITH_TRIALS if trials else LEAST_ROWS
    shown, rows = choose_rows(choose_shown(found, verbose), width, screen, least)
    first = next((place for place, each in enumerate(shown) if each is worst), 0)
    texts = FindingTexts(shown, first, verbose)
    texts.show_first(screen)
    notices.show_more(screen)
    texts.show_more(screen)
    gap = [""] if trials and screen.take(1) else []
    lines = render_headings(build_findings_table(shown, width)) if shown else []
    for row, text in zip(rows, texts.lines, strict=True):
        lines += [*row, *text]
    lines += count_hidden(found, shown, notices.hidden)
    matrix = render_matrix(found.matrix) if verbose else []
    for part in (matrix, notices.lines, [*trials, *gap, *answer]):
        lines += ["", *part] if lines and part else part
    return lines


def choose_rows(
    shown: Sequence[AuditFinding], width: int | None, screen: Screen, least: int
) -> tuple[list[AuditFinding], list[list[str]]]:
    """Return as many findings as fit, with their lines; at least `least`."""
    table = build_findings_table(shown, width)
    rows = [list(render_rows(Table(table.columns, [each]), width)) for each in table.rows]
    screen.take(FRAME_LINES)
    kept = list[int]()
    for place in take_turns(shown):
        if not screen.take(len(rows[place])) and len(kept) >= least:
            break
        kept.append(place)
    return [shown[place] for place in sorted(kept)], [rows[place] for place in sorted(kept)]


class FindingTexts:
    """The text below each finding's row, as far as it fits: the whole text of the worst finding,
    and at least the route of all the others or of none. A shared change is shown once."""

    def __init__(self, shown: Sequence[AuditFinding], first: int, verbose: bool) -> None:
        self.lines: list[list[str]] = [[] for _ in shown]
        self._shown = shown
        self._first = first
        self._verbose = verbose
        self._topics = set[str]()
        self._cures: set[Cure | None] = {None}
        if shown and not verbose:
            self._cures.add(shown[first].cure)  # the answer at the end shows it

    def show_first(self, screen: Screen) -> None:
        if self._shown:
            self._show_whole(self._first, screen)
        routes = [wrap_whole(format_route(each), "  ") for each in self._shown]
        both = [said or route for route, said in zip(routes, self.lines, strict=True)]
        if screen.take(sum(map(len, both)) - sum(map(len, self.lines))):
            self.lines = both

    def show_more(self, screen: Screen) -> None:
        for place in range(len(self._shown)):
            if place != self._first:
                self._show_whole(place, screen)

    def _show_whole(self, place: int, screen: Screen) -> None:
        found = self._shown[place]
        facts = f"{format_route(found)}: {found.facts}"
        advice = found.context if found.cure else found.advice
        new = [text for topic, text in advice.items() if topic not in self._topics]
        cure = [] if found.cure in self._cures else list(render_cure(found, "  "))
        stack = list(render_stack(found)) if self._verbose else []
        if self._show(place, [*wrap_whole(" ".join((facts, *new)), "  "), *cure, *stack], screen):
            self._topics.update(advice)
            self._cures.add(found.cure)
        else:
            self._show(place, wrap_whole(facts, "  "), screen)

    def _show(self, place: int, lines: list[str], screen: Screen) -> bool:
        if screen.take(len(lines) - len(self.lines[place])):
            self.lines[place] = lines
            return True
        return False


class NoticeLines:
    """Notices about the audit itself. The essential ones are always shown."""

    def __init__(self, found: AuditFindings, verbose: bool) -> None:
        notices = found.notices if verbose else tuple(list_notices(found))
        essential = tuple(each for each in notices if each.code in ESSENTIAL)
        others = tuple(each for each in notices if each.code not in ESSENTIAL)
        self.lines = [
            line for each in write_notices(essential, verbose) for line in wrap_note(each)
        ]
        self.hidden = 0
        self._others = [wrap_note(each) for each in write_notices(others, verbose)]

    @property
    def least(self) -> int:
        """Number of essential lines, with a blank one."""
        return len(self.lines) + bool(self.lines)

    def show_more(self, screen: Screen) -> None:
        """Add as many notices as fit."""
        for place, lines in enumerate(self._others):
            if not screen.take(len(lines) + (not self.lines)):
                self.hidden = len(self._others) - place
                return
            self.lines += lines


def render_stack(found: AuditFinding) -> Iterator[str]:
    """Yield the frames, innermost first."""
    for each in found.stack:
        yield f"    {each.file}:{each.line} {each.function}"
