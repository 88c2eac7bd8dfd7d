"""report.html of an audit: the answer and the worst finding first, then all findings, the requests
that waited, and the conditions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.findings import AuditEvidence, AuditFindings
from analysis.findings.remedies import Predicted
from analysis.report.audit_routes import build_routes_table
from analysis.report.change_picture import ChangePicture, draw_predicted, draw_tried
from analysis.report.conditions import MACHINE, build_pairs, build_text_table
from analysis.report.finding_card import FindingCard, build_cards
from analysis.report.findings_table import choose_shown, find_worst, write_answer
from analysis.report.harm_table import list_shaded_rows
from analysis.report.moment_picture import MomentPicture, draw_moment
from analysis.report.moments import find_moment
from analysis.report.table import Column, Row, Table
from analysis.report.templating import create_html_environment
from analysis.report.trial_lines import describe_trial
from analysis.stats import formats
from analysis.summary.comparison import ensure_mapping
from records.audit import AttachedProcess
from records.files import write_whole
from records.rundir import RunDir

PAGE_FILE = "report.html"
COLUMNS = (
    Column("findings"),
    Column("what happens", is_text=True),
    Column("route", is_text=True),
    Column("requests"),
    Column("seconds", format=formats.decimal),
    Column("longest", "ms", formats.milliseconds),
    Column("share of", "the time", formats.percent),
    Column("taken from", "other routes, s", formats.decimal),
)


def write_audit_page(run: RunDir, found: AuditFindings, evidence: AuditEvidence) -> None:
    write_whole(run.path / PAGE_FILE, render_audit_page(run, found, evidence))


def render_audit_page(run: RunDir, found: AuditFindings, evidence: AuditEvidence) -> str:
    """Render the page. The same records give the same text."""
    environment = ensure_mapping(run.load_manifest().get("environment"))
    known = {words: environment.get(key) for key, words in MACHINE.items()}
    worst = find_worst(found)
    cards = build_cards(choose_shown(found, verbose=True), worst)
    moments = draw_moments(cards, evidence)
    context = {
        "title": run.path.name,
        "record": evidence.record,
        "answer": write_answer(found),
        "cards": cards,
        "worst": next((each for each in cards if each.finding is worst), None),
        "moments": moments,
        "typical": [each for each in moments.values() if each.is_typical],
        "predictions": list_predictions(cards),
        "unpredicted": list_unpredicted(cards),
        "trials": [(draw_tried(each), describe_trial(each), each) for each in found.trials],
        "notices": found.notices,
        "table": build_page_table(cards),
        "matrix": found.matrix,
        "culprits": list_shaded_rows(found.matrix),
        "routes": build_routes_table(evidence),
        "processes": build_processes_table(evidence.record.processes),
        "machine": build_pairs({words: of for words, of in known.items() if of is not None}),
    }
    return create_html_environment().get_template("audit.html").render(context)


@dataclass(frozen=True, slots=True)
class CardMoment:
    """The picture of a finding. is_typical: of the worst finding of its kind. number: of the
    finding that has the same picture; its own otherwise."""

    picture: MomentPicture
    is_typical: bool
    number: int

    @property
    def anchor(self) -> str:
        return f"moment-{self.number}"


def draw_moments(cards: Sequence[FindingCard], evidence: AuditEvidence) -> Mapping[int, CardMoment]:
    """Draw each finding that has a moment and is not informational, by its number."""
    drawn: dict[int, CardMoment] = {}
    for each in cards:
        moment = find_moment(each.finding, evidence)
        if moment is None or each.finding.severity == "info":
            continue
        picture = draw_moment(moment, evidence)
        before = [known for known in drawn.values() if known.picture.lanes == picture.lanes]
        codes = {known.picture.moment.finding.code for known in drawn.values()}
        is_typical = not before and each.finding.code not in codes
        drawn[each.number] = CardMoment(
            picture, is_typical, before[0].number if before else each.number
        )
    return drawn


def list_predictions(cards: Sequence[FindingCard]) -> list[tuple[FindingCard, ChangePicture]]:
    """List each prediction once, even if its change removes several findings."""
    known: dict[Predicted, FindingCard] = {}
    for each in cards:
        if each.finding.predicted is not None:
            known.setdefault(each.finding.predicted, each)
    drawn = [(card, draw_predicted(predicted)) for predicted, card in known.items()]
    return [(card, picture) for card, picture in drawn if picture is not None]


def list_unpredicted(cards: Sequence[FindingCard]) -> list[tuple[str, list[FindingCard]]]:
    """List each reason for a missing prediction with its findings."""
    found: dict[str, list[FindingCard]] = {}
    for each in cards:
        if each.finding.predicted is not None and each.finding.predicted.reason is not None:
            found.setdefault(each.finding.predicted.reason.rstrip("."), []).append(each)
    return list(found.items())


def build_page_table(cards: Sequence[FindingCard]) -> Table:
    rows = []
    for each in cards:
        found = each.finding
        taken_s = None if found.victims is None else found.taken_s
        figures = found.count, found.seconds, found.longest_ms, found.share, taken_s
        badges = ((found.severity, found.severity),)
        rows += [
            Row(f"{each.number}. {each.place}", [each.name, each.route, *figures], badges=badges)
        ]
    return Table(COLUMNS, rows)


def build_processes_table(processes: tuple[AttachedProcess, ...]) -> Table:
    rows = {
        f"{each.app}, process {each.pid}": [
            each.server, f"{each.loop} on Python {each.python}", "yes" if each.gil else "no",
        ]
        for each in processes
    }  # fmt: skip
    return build_text_table("The service", ("server", "event loop", "GIL enabled"), rows)
