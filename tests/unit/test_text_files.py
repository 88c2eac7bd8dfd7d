"""The guide's texts: every file loads, and an error names the file and the wrong key."""

from pathlib import Path

import pytest

from analysis.guide.exercises import EXERCISE_SECTIONS, Exercise, load_exercises
from analysis.guide.recorded import load_experiments
from analysis.guide.rules import RULE_SECTIONS, DecisionTable, Rule, load_decision_table, load_rules
from analysis.guide.text_files import TEXTS, load_numbered_texts, load_toml
from scenarios.errors import UserError

RULE = (TEXTS / "rules" / "05-health.md").read_text()
EXERCISE = (TEXTS / "exercises" / "1-forty-at-a-time.md").read_text()


def test_every_text_loads() -> None:
    assert len(load_rules()) == len(list((TEXTS / "rules").iterdir()))
    assert len(load_exercises()) == len(list((TEXTS / "exercises").iterdir()))
    assert load_experiments()
    assert load_decision_table().rows


def load_rule(folder: Path, text: str, name: str = "1-health.md") -> Rule:
    (folder / name).write_text(text)
    (found,) = load_numbered_texts(folder, Rule, RULE_SECTIONS)
    return found


def test_where_a_line_breaks_does_not_matter(tmp_path: Path) -> None:
    found = load_rule(tmp_path, RULE)
    assert (found.number, found.name) == (1, "health")
    assert "\n" not in found.measured + found.do
    assert load_rule(tmp_path, RULE.replace(" answer", "\nanswer")) == found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("low = 10.0", 'low = "much"', "relations.0.low: Input should be a valid number"),
        ("low = 10.0", "lowest = 10.0", "relations.0.lowest: unknown"),
        ("because =", "reason =", "relations.0.because: "),
        ("low = 10.0", "low = ", "line 8"),
        (
            "bystander.median_ms of full",
            "bystander.mean of full",
            "'bystander.mean' is not a metric",
        ),
        (
            "median_ms of full-pool/",
            "median_ms of empty/",
            "'empty/health-sync' is not an experiment",
        ),
        ("ms('full-pool/", "ms('empty/", "measured: 'empty/health-"),
        ("'bystander.median_ms') }}", "'bystander') }}", "'bystander' is not a metric"),
        (
            "'bystander.median_ms') }}",
            "'bystander.median_ms' }}",
            "measured: no templ",
        ),
        ("[[relations]]", 'name = "x"\n[[relations]]', "name: the file's name or text already"),
        ("## Do", "## Don't", "section 'Do': missing"),
        ("## Do", "## Do\n\nIt.\n\n## Why", "section 'Why': unknown"),
        ("## Do", "## Do\n\nIt.\n\n## Do", "two of its sections have the same heading"),
        ("\n# ", "\nFirst.\n\n# ", "does not begin with a heading"),
        ("+++\nfindings", "findings", "does not begin with TOML"),
        ("TRIVIAL_DEF", "TRIVIAL", "findings.0: 'TRIVIAL' is not a finding"),
    ],
)
def test_a_broken_rule_is_named_with_its_key(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in RULE
    with pytest.raises(UserError) as caught:
        load_rule(tmp_path, RULE.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path / '1-health.md'}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"sync-http-shared"', '"sink"', "no scenario or group is called 'sink'"),
        ('"async def"', '"fast"', "endpoint.style: Input should be 'def'"),
        ('"endpoint.style"', '"endpoint.stile"', "Endpoint.__init__() got an unexpected"),
        ('"endpoint.style"', '"end.style"', "'Scenario' object has no attribute 'end'"),
        ("users = 100", "users = 0", "--users 0: give 1 to 100000"),
        ("users = 100", "user = 100", "overrides.user: unknown"),
        ("mean_ms =", "mean_s =", "shown.mean_s"),
        ("```diff", "```", "diffs: no ```diff block"),
    ],
)
def test_a_broken_exercise_is_named_with_its_key(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "1-x.md"
    path.write_text(EXERCISE.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_numbered_texts(tmp_path, Exercise, EXERCISE_SECTIONS)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_texts_refer_to_each_other_by_number_so_that_none_may_lack(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_rule(tmp_path, RULE, name="2-health.md")
    assert "numbered from 1 on" in str(caught.value)


def test_a_broken_table_is_named_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    text = (TEXTS / "decisions.toml").read_text()
    path.write_text(text.replace("look_next =", "look =", 1))
    with pytest.raises(UserError) as caught:
        load_toml(path, DecisionTable)
    assert str(caught.value) == f"{path}: rows.0.look_next: Field required"
