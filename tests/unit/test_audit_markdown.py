"""summary.md of an audit: the answer first, bounded length, and no markup from outside."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from analysis.findings import AuditFinding, AuditFindings, Notice, find_all
from analysis.findings.baseline import Baseline, KnownAudit, KnownFinding
from analysis.findings.finding_threshold import (
    FindingGate,
    judge_findings,
    parse_finding_threshold,
)
from analysis.findings.remedies import Cure
from analysis.report.audit_markdown import render_audit_markdown
from tests.unit.audit_samples import AuditBuilder, endpoint
from tests.unit.ci_samples import findings, gather
from tests.unit.finding_samples import SampleBlock, SampleFinding

COMMENT = 65_536
"""Maximum characters of a pull request's comment."""
GATE = FindingGate((parse_finding_threshold("error"), parse_finding_threshold("blocked>50ms")))


def render(found: AuditFindings, baseline: Baseline | None = None) -> str:
    outcomes = judge_findings(found, GATE)
    return render_audit_markdown(found, AuditBuilder().build(), baseline, outcomes)


SUMMARY = """\
### study audit: 1 error

- ✗ --fail-on error: main.py:17 build, /report (endpoint): loop blocked: wait, at most 250 ms
- ✗ --fail-on blocked\\>50ms: main.py:17 build, /report (endpoint): loop blocked: wait, at most 250 ms

The event loop is blocked at 1 place, for 1.0 s. Audited: 4 requests of 1 route in 10 s. The worst: main.py:17 build, /report (endpoint), blocks the event loop for 1.0 s.

| severity | finding | what happens | route | requests | seconds | longest ms |
| --- | --- | --- | --- | ---: | ---: | ---: |
| error | main.py:17 build | loop blocked: wait | /report (endpoint) | 4 | 1.0 | 250 |

**main.py:17 build**, /report (endpoint): The event loop is blocked while build() waits: up to 250 ms per request.
"""  # noqa: E501


def test_the_thresholds_and_the_answer_come_first() -> None:
    audit = AuditBuilder()
    for turn in range(4):
        audit.block(float(turn), 0.25, [endpoint("build", 17)] * 5)
        audit.ask("/report", float(turn), turn + 0.3)
    evidence = audit.build()
    found = find_all(evidence)
    text = render_audit_markdown(found, evidence, None, judge_findings(found, GATE))
    assert text.startswith(SUMMARY)
    assert "| GET /report |" in text


def test_with_a_baseline_what_is_new_is_marked() -> None:
    found = gather([SampleBlock(severity="info", confidence="low", file="a.py", line=1)])
    assert "(new)" not in render(found)
    text = render(found, Baseline())
    assert text.startswith("### study audit: 1 informational; 1 new\n")
    assert "| info | a.py:1 None (new) |" in text


def test_what_is_new_comes_before_what_is_worse() -> None:
    worse = SampleBlock(severity="error", confidence="low", file="a.py", line=1, seconds=9.0)
    new = replace(worse, file="b.py", seconds=1.0)
    known = KnownAudit((KnownFinding(worse.code, file="a.py"),), 1, ())
    text = render(gather([worse, new]), Baseline((known,)))
    assert text.index("| b.py:1 None (new) |") < text.index("| a.py:1 None |")
    assert text.index("**b.py:1 None**") < text.index("**a.py:1 None**")


CURE = Cure(
    file="main.py", line=17, before=("    time.sleep(0.1)  # ```",),
    after=("    await asyncio.sleep(0.1)",), reason="It waits without blocking.",
)  # fmt: skip
CHANGE = """\
It waits without blocking.

````diff
@@ main.py:17 @@
- time.sleep(0.1)  # ```
+ await asyncio.sleep(0.1)
````
"""


def test_a_cure_is_a_diff_in_place_of_advice() -> None:
    found = SampleBlock(
        severity="error", confidence="low", file="a.py", line=1, seconds=1.0, cure=CURE
    )
    assert CHANGE in render(gather([found]))
    twice = render(gather([found, replace(found, file="b.py")]))
    assert twice.count("await asyncio.sleep(0.1)") == 1
    unplaced = render(gather([replace(found, cure=replace(CURE, file=None, line=None))]))
    assert "@@" not in unplaced
    without = replace(CURE, file=None, line=None, before=(), after=())
    assert "diff" not in render(gather([replace(found, cure=without)]))


def test_code_between_backticks_is_code_and_nothing_else_is() -> None:
    cure = Cure("main.py", 1, (), (), "As a `def f_g()` it_runs, `a|b <c>` and `alone.")
    found = SampleFinding(severity="error", confidence="high", file="main.py", cure=cure)
    text = render(gather([found]))
    assert "As a `def f_g()` it\\_runs, `a|b <c>` and \\`alone." in text
    notices = (Notice("WARNING", "GET /``_```_` fails"),)
    assert r"- GET /\`\`\_\`\`\`\_\` fails" in render(replace(gather([]), notices=notices))


def test_an_audit_without_findings_has_no_table_of_them() -> None:
    text = render(gather([]))
    assert text.startswith("### study audit: no findings\n")
    assert "| severity" not in text


@settings(max_examples=30)  # each is parsed as a page
@given(st.lists(findings, max_size=60), st.text("_|`<@\n#", min_size=1), st.integers(1, 3000))
def test_it_fits_a_comment_and_is_no_markup_whatever_the_names_are(
    found: list[AuditFinding], name: str, times: int
) -> None:
    route = f"/{name * times}"
    named = [replace(each, route=route, function=route) for each in found]
    notices = tuple(Notice("WARNING", route) for _ in range(50))
    text = render(replace(gather(named), notices=notices))
    assert len(text) < COMMENT
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = {child.type for each in tokens for child in each.children or ()}
    inert = {"text", "softbreak", "strong_open", "strong_close", "text_special", "code_inline"}
    assert kinds <= inert
    blocks = [each.content for each in tokens if each.type == "html_block"]
    assert {each.strip() for each in blocks} <= {
        "<details><summary>Latency</summary>", "</details>",
    }  # fmt: skip
    assert "fence" not in {each.type for each in tokens}
