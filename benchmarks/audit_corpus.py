"""How well `study audit` finds what blocks an event loop: `python -m benchmarks.audit_corpus`.

    [--users 1 --users 20] [--only gil --only FastAPI] [--loop asyncio|uvloop] [--python PATH]
    [--seconds 3] [--noise] [--watch] [--rivals] [--keep DIR]

Every app of tests/corpus is audited; what the audit finds is compared with the labels. The seconds
are compared with the app's own clocks of the same work; those of what computes may be its CPU time
or, on a busy machine, up to the time that it took. With --noise two processes take both cores. With
--watch the benchmark asks and the audit watches, as it is for the --rivals: other detectors, in an
environment that is made in the user's cache folder on first use.

The apps run in --python, in an environment of its version that is made in the same way; without
it, in this one.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.corpus_audit import StudyAudit
from benchmarks.corpus_rivals import APP_PACKAGES, CACHE, RIVALS, Rival, choose_environment
from benchmarks.corpus_trials import Detector, Trial, keep_cores_busy, run_trial
from tests.corpus.labels import load_corpus
from tests.corpus.matching import ASPECTS, Detection, Match, Report


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Recall and precision of `study audit`.")
    parser.add_argument("--users", type=int, action="append", help="several times: each")
    parser.add_argument("--only", action="append", default=[], help="a word of an app or its kind")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--python", type=Path, help="the interpreter of the apps")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="1 and more: each route is asked"
    )
    parser.add_argument("--noise", action="store_true", help="two processes take both cores")
    parser.add_argument("--watch", action="store_true", help="the benchmark asks")
    parser.add_argument("--rivals", action="store_true", help="other detectors too")
    parser.add_argument("--keep", type=Path, help="a new folder for all files of the trials")
    options = parser.parse_args()
    if options.seconds < 1:
        parser.error(f"--seconds {options.seconds:g}: give 1 or more, as the audit does")
    return options


def choose_detectors(options: argparse.Namespace) -> list[tuple[Detector, Path]]:
    """Each with the interpreter of its apps."""
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
        raise SystemExit(f"--only {' '.join(options.only)}: no app of the corpus is of that kind")
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
    """What one detector made of the corpus with so many users. right: by aspect, None for what it
    never says."""

    name: str
    users: int
    places: int
    right: Mapping[str, int | None]
    routes_unknown: int
    false_alarms: int
    second_places: int
    errors: Sequence[float]


def score_matches(name: str, users: int, matches: Sequence[Match]) -> Score:
    found = [each for match in matches for each in match.detections]
    mains = [each.main for each in found if each.detected]
    said = {
        "route": any(each.route for each in mains),
        "line": any(each.line for each in mains),
        "cause": any(each.cause for each in mains),
        "phase": any(each.phase for each in mains),
        "seconds": any(each.seconds is not None for each in mains),
    }
    return Score(
        name, users, len(found),
        right={
            aspect: sum(each.right[aspect] for each in found) if said.get(aspect, True) else None
            for aspect in ASPECTS
        },
        routes_unknown=sum(
            each.detected and each.main.route is None and each.label.route is not None
            for each in found
        ),
        false_alarms=sum(len(match.false_alarms) for match in matches),
        second_places=sum(len(match.strays) for match in matches),
        errors=sorted(abs(e) for each in found if (e := each.seconds_error) is not None),
    )  # fmt: skip


def print_scores(scores: Sequence[Score]) -> None:
    aspects = "".join(f"{each:>10}" for each in ASPECTS)
    print(f"{'':<20}{'users':>6}{'places':>8}{aspects}{'error':>9}{'no route':>10}", end="")
    print(f"{'false alarms':>14}{'second places':>15}")
    for score in scores:
        right = "".join(f"{'–' if n is None else n:>10}" for n in score.right.values())
        error = f"{score.errors[len(score.errors) // 2]:.1%}" if score.errors else "–"
        print(
            f"{score.name:<20}{score.users:>6}{score.places:>8}{right}{error:>9}"
            f"{score.routes_unknown:>10}{score.false_alarms:>14}{score.second_places:>15}"
        )


def print_details(score: Score, matches: Sequence[Match]) -> None:
    """What is wrong, of what the detector says at all."""
    said = [aspect for aspect, count in score.right.items() if count is not None]
    print(f"\n{score.name}, users {score.users}:")
    for match in matches:
        for each in match.detections:
            if wrong := [aspect for aspect in said if not each.right[aspect]]:
                print(f"  {describe_detection(each, wrong)}")
        for report in match.false_alarms:
            print(f"  {match.app.name}: false alarm: {describe_report(report)}")
        for report in match.strays:
            print(f"  {match.app.name}: second place: {describe_report(report)}")
        if match.unasked:
            print(f"  {match.app.name}: never ran: {', '.join(match.unasked)}")


def describe_detection(detection: Detection, wrong: Sequence[str]) -> str:
    label = detection.label
    known = Report(
        label.route, label.file, label.lines[0], label.function, "/".join(label.phases),
        label.cause, label.call, detection.taken.most_s,
    )  # fmt: skip
    if not detection.detected:
        return f"{label.app}: not detected: {describe_report(known)}"
    main = replace(detection.main, seconds=detection.seconds)
    what = ", ".join(wrong)
    return f"{label.app}: wrong {what}: {describe_report(main)}; it is {describe_report(known)}"


def describe_report(report: Report) -> str:
    place = f"{Path(report.file).name}:{report.line}" if report.file else "no line"
    took = "" if report.seconds is None else f"{report.seconds:.2f} s"
    words = (report.route or "no route", report.phase, place, report.function, report.cause, took)
    return " ".join(each for each in words if each)


def main() -> None:
    options = parse_options()
    scores = []
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for detector, python in choose_detectors(options):
            for users in options.users or (1, 20):
                with keep_cores_busy(2 if options.noise else 0):
                    matches = list(run_trials(detector, python, users, options, folder))
                score = score_matches(detector.name, users, matches)
                print_details(score, matches)
                sys.stdout.flush()
                scores.append(score)
    print(f"\n{options.loop}, {options.python or sys.executable}")
    print_scores(scores)


if __name__ == "__main__":
    main()
