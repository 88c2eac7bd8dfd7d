"""Recall and precision of `study audit` for blocking calls, and for waits for threads with the code
that holds the threads: `python -m benchmarks.audit_corpus`.

    [--users 1 --users 20] [--only gil --only FastAPI] [--loop asyncio|uvloop] [--python PATH]
    [--seconds 3] [--noise] [--watch] [--rivals] [--keep DIR]

The benchmark audits every app of tests/corpus and compares the findings of each code with the
labels: route, line, phase of the request, seconds, and the code that holds the threads. One user
waits for no thread, so that those labels need several. The seconds are compared with the app's
clocks; for computing work they may be the CPU time or, on a busy machine, up to the elapsed time.
With --noise two processes use both cores. With --watch the benchmark sends the requests and the
audit only watches, as for the --rivals: other detectors, in an environment that is created in the
user's cache folder on first use.

The apps run in an environment for --python, created the same way; without it, in this one.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.corpus_audit import StudyAudit
from benchmarks.corpus_rivals import APP_PACKAGES, CACHE, RIVALS, Rival, choose_environment
from benchmarks.corpus_trials import Detector, Trial, keep_cores_busy, run_trial
from tests.corpus.labels import ASPECTS, CODES, LOOP_BLOCKED, load_corpus
from tests.corpus.matching import Detection, Holder, Match, Report


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Recall and precision of `study audit`.")
    parser.add_argument("--users", type=int, action="append", help="repeatable; default 1 and 20")
    parser.add_argument("--only", action="append", default=[], help="a word of an app or its kind")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--python", type=Path, help="interpreter of the apps")
    parser.add_argument("--seconds", type=float, default=3.0, help="per route; at least 1")
    parser.add_argument("--noise", action="store_true", help="two processes use both cores")
    parser.add_argument("--watch", action="store_true", help="the benchmark sends the requests")
    parser.add_argument("--rivals", action="store_true", help="other detectors too")
    parser.add_argument("--keep", type=Path, help="new folder for all files of the trials")
    options = parser.parse_args()
    if options.seconds < 1:
        parser.error(f"--seconds {options.seconds:g}: give 1 or more, as the audit does")
    return options


def choose_detectors(options: argparse.Namespace) -> list[tuple[Detector, Path]]:
    """Return each detector with the interpreter of its apps."""
    python: Path = options.python or Path(sys.executable)
    own = choose_environment(python, CACHE, APP_PACKAGES) if options.python else python
    detectors: list[tuple[Detector, Path]] = [(StudyAudit(not options.watch), own)]
    if options.rivals:
        packages = (*APP_PACKAGES, *filter(None, RIVALS.values()))
        theirs = choose_environment(python, CACHE, packages)
        detectors += [(Rival(name), theirs) for name in RIVALS]
    return detectors


def run_trials(
    detector: Detector, python: Path, users: int, options: argparse.Namespace, folder: Path
) -> Iterator[Match]:
    apps = load_corpus(options.only)
    if not apps:
        raise SystemExit(f"--only {' '.join(options.only)}: the corpus has no such app")
    for app in apps:
        place = folder / f"{detector.name.replace(' ', '-')}-{users}-{app.name}"
        try:
            yield run_trial(
                detector, Trial(app, users, python, options.loop, options.seconds, place)
            )
        except RuntimeError as problem:
            print(f"  {app.name}: no result: {problem}")
            yield Match(app, (), (), (), tuple(each.name for each in app.blocking))


@dataclass(frozen=True, slots=True)
class Score:
    """The result of one detector for one code's labels and a number of users. places: labels that
    it should find. right, known: by aspect, how often it is right and how often a label has the
    aspect; None if the detector never reports the aspect."""

    name: str
    code: str
    users: int
    places: int
    right: Mapping[str, int | None]
    known: Mapping[str, int]
    routes_unknown: int
    false_alarms: int
    second_places: int
    errors: Sequence[float]


def list_codes(matches: Sequence[Match]) -> list[str]:
    """Return the codes of the requested labels and of the reports, in the labels' order."""
    found = {each.label.code for match in matches for each in match.detections}
    found |= {each.code for match in matches for each in (*match.false_alarms, *match.strays)}
    return [*(code for code in CODES if code in found), *sorted(found.difference(CODES))]


def score_matches(name: str, code: str, users: int, matches: Sequence[Match]) -> Score:
    found = [e for match in matches for e in match.detections if e.label.code == code]
    mains = [each.main for each in found if each.detected]
    said = {
        "route": any(each.route for each in mains),
        "line": any(each.line for each in mains),
        "cause": any(each.cause for each in mains),
        "phase": any(each.phase for each in mains),
        "seconds": any(each.seconds is not None for each in mains),
        "holder": any(each.holders for each in mains),
    }
    known = Counter(aspect for each in found for aspect in each.label.aspects)
    return Score(
        name, code, users, len(found),
        right={
            aspect: sum(each.right.get(aspect, False) for each in found)
            if said.get(aspect, True) and known[aspect] else None
            for aspect in ASPECTS
        },
        known=known,
        routes_unknown=sum(
            each.detected and each.main.route is None and each.label.route is not None
            for each in found
        ),
        false_alarms=sum(r.code == code for match in matches for r in match.false_alarms),
        second_places=sum(r.code == code for match in matches for r in match.strays),
        errors=sorted(
            abs(e) for each in found
            if "seconds" in each.label.aspects and (e := each.seconds_error) is not None
        ),
    )  # fmt: skip


def print_scores(scores: Sequence[Score]) -> None:
    """Print, by code, how many are right of those that have each aspect."""
    aspects = "".join(f"{each:>10}" for each in ASPECTS)
    print(f"{'':<20}{'code':<20}{'users':>6}{'places':>8}{aspects}{'error':>9}", end="")
    print(f"{'no route':>10}{'false alarms':>14}{'second places':>15}")
    for score in scores:
        right = "".join(f"{format_right(score, aspect):>10}" for aspect in ASPECTS)
        error = f"{score.errors[len(score.errors) // 2]:.1%}" if score.errors else "–"
        print(
            f"{score.name:<20}{score.code:<20}{score.users:>6}{score.places:>8}{right}{error:>9}"
            f"{score.routes_unknown:>10}{score.false_alarms:>14}{score.second_places:>15}"
        )


def format_right(score: Score, aspect: str) -> str:
    count, known = score.right[aspect], score.known.get(aspect, 0)
    if count is None:
        return "–"
    return f"{count}" if known == score.places else f"{count}/{known}"


def print_details(score: Score, matches: Sequence[Match]) -> None:
    """Print the wrong aspects, of those that the detector reports at all."""
    said = [aspect for aspect, count in score.right.items() if count is not None]
    print(f"\n{score.name}, {score.code}, users {score.users}:")
    for match in matches:
        for each in match.detections:
            right = each.right if each.label.code == score.code else {}
            if wrong := [aspect for aspect in said if not right.get(aspect, True)]:
                print(f"  {describe_detection(each, wrong)}")
        for what, reports in (("false alarm", match.false_alarms), ("second place", match.strays)):
            for report in reports:
                if report.code == score.code:
                    print(f"  {match.app.name}: {what}: {describe_report(report)}")
        names = {each.name for each in match.app.blocking if each.code == score.code}
        if unasked := [each for each in match.unasked if each in names]:
            print(f"  {match.app.name}: never ran or never waited: {', '.join(unasked)}")


def describe_detection(detection: Detection, wrong: Sequence[str]) -> str:
    label = detection.label
    known = Report(
        route=label.route, file=label.file if label.lines else None,
        line=next(iter(label.lines), None), function=label.function, phase="/".join(label.phases),
        cause=label.cause if label.code == LOOP_BLOCKED else None, seconds=detection.taken.most_s,
        holders=(Holder(label.holder.route, label.holder.file, label.holder.lines[0]),)
        if label.holder else (),
    )  # fmt: skip
    if not detection.detected:
        return f"{label.app}: not detected: {describe_report(known)}"
    main = replace(detection.main, seconds=detection.seconds)
    what = ", ".join(wrong)
    return f"{label.app}: wrong {what}: {describe_report(main)}; it is {describe_report(known)}"


def describe_report(report: Report) -> str:
    place = f"{Path(report.file).name}:{report.line}" if report.file else "no line"
    took = "" if report.seconds is None else f"{report.seconds:.2f} s"
    words = [report.route or "no route", report.phase, place, report.function, report.cause, took]
    for each in report.holders[:1]:
        file = Path(each.file).name if each.file else "no file"
        words.append(f"behind {each.route or 'no route'} {file}:{each.line}")
    return " ".join(each for each in words if each)


def choose_codes(detector: Detector, matches: Sequence[Match]) -> list[str]:
    """Return all codes for the study; other detectors only report a blocked loop."""
    return list_codes(matches) if isinstance(detector, StudyAudit) else [LOOP_BLOCKED]


def main() -> None:
    options = parse_options()
    scores = []
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for detector, python in choose_detectors(options):
            for users in options.users or (1, 20):
                with keep_cores_busy(2 if options.noise else 0):
                    matches = list(run_trials(detector, python, users, options, folder))
                for code in choose_codes(detector, matches):
                    score = score_matches(detector.name, code, users, matches)
                    print_details(score, matches)
                    scores.append(score)
                sys.stdout.flush()
    print(f"\n{options.loop}, {options.python or sys.executable}")
    print_scores(scores)


if __name__ == "__main__":
    main()
