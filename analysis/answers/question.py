"""The question that the chosen scenarios ask: a title, and a line with what they share."""

from collections.abc import Sequence

from analysis.answers.factors import join_words, name_some
from analysis.answers.measured_scenario import DESCRIBING, MeasuredScenario, list_errors
from analysis.answers.results import Results, find_subject
from analysis.stats import formats
from analysis.summary.model import CellSummary
from scenarios.catalogue import CATALOGUE, GROUP_QUESTIONS
from scenarios.model import Scenario
from scenarios.sweep import format_setting_value
from scenarios.units import Second


def write_title(results: Results) -> str:
    if (exercise := results.exercise) is not None and exercise.title:
        edited = ", after the edit" if exercise.edited else ""
        return f"Exercise {exercise.exercise}: {exercise.title}{edited}"
    if results.sweeps:
        return f"What does --{results.sweeps[0].setting} change?"
    if results.knee is not None:
        return f"How much load can {results.searched or 'the service'} sustain?"
    if len(results.cases) == 1:
        return f"How much does {results.cases[0].name} serve?"
    if questions := list_group_questions(results):
        (first, *others) = questions.values()
        return first if not others else f"{len(questions)} questions: {join_words([*questions])}"
    if asks_several(results):
        return f"How much do these {len(results.cases)} scenarios serve?"
    styles = {each.scenario.endpoint.style for each in results.cases}
    if {"def", "async def"} <= styles and not results.contrasts:
        return "def or async def?"
    return "Which scenario serves more?"


def list_group_questions(results: Results) -> dict[str, str]:
    """Return the questions of the catalogue's groups if each ran as a whole and, of several groups,
    not all compare; empty for any other choice."""
    groups: dict[str, list[Scenario]] = {}
    for each in results.cases:
        groups.setdefault(each.scenario.group, []).append(each.scenario)
    found = {name: find_group_question(name, those) for name, those in groups.items()}
    is_one = len(groups) > 1 and len(list_subjects(results)) == 1
    return found if all(found.values()) and not is_one else {}


def asks_several(results: Results) -> bool:
    """Return True if not all cases compare, with each other or as contenders of a contrast."""
    groups = {each.scenario.group for each in results.cases}
    return len(list_subjects(results)) > 1 and (len(groups) > 1 or not results.contrasts)


def list_subjects(results: Results) -> set[tuple[str, ...]]:
    return {find_subject(each) for each in results.cases}


def find_group_question(group: str, scenarios: Sequence[Scenario]) -> str:
    """Return the question of the catalogue's group if the scenarios are the whole group, except for
    compiled servers that may not be built; otherwise an empty text."""
    members = [each for each in CATALOGUE if each.group == group]
    needed = {each.name for each in members if not each.server.is_compiled}
    is_whole = bool(needed) and needed <= {each.name for each in scenarios}
    question = GROUP_QUESTIONS[group] if is_whole else ""
    return f"{question[:1].upper()}{question[1:]}"


def write_question(results: Results) -> str:
    """Write what a request waits for and how many users send it, where all scenarios share these,
    then the question; several questions stand on lines of their own."""
    exercise, scenarios = results.exercise, [each.scenario for each in results.cases]
    if exercise is not None and exercise.question:
        return exercise.question.replace("`", "")
    if not scenarios and results.knee is None:
        return "Nothing was measured."
    trials = describe_trials(results)
    shared = ", ".join(filter(None, (describe_work(scenarios), describe_load(scenarios))))
    if len(scenarios) == 1 and results.knee is None:
        (only,) = scenarios
        question = f"{only.question} ({shared})" if shared else only.question
        return f"{question}{'.' if shared and trials else ''}{trials}"
    questions = list_group_questions(results)
    if len(questions) > 1 and not results.sweeps and results.knee is None:
        lines = [f"{each} ({name})" for name, each in questions.items()]
        first = f"{shared[0].upper()}{shared[1:]}." if shared else ""
        return "\n".join(filter(None, (first, *lines, trials.strip())))
    question = f"{shared}: {ask(results)}" if shared else ask(results)
    return f"{question[0].upper()}{question[1:]}{trials}"


def describe_trials(results: Results) -> str:
    """Empty for single trials, and for a search, which repeats a rate only in doubt."""
    usable = [each for each in results.cases if each.is_usable]
    if results.knee is not None or not usable:
        return ""
    trials = {len(each.rates) for each in usable}
    few, many = min(trials), max(trials)
    between = "or" if many == few + 1 else "to"
    count = str(few) if few == many else f"{few} {between} {many}"
    found = f" Figures are medians of {count} trials."
    return f"{found if many > 1 else ''}{describe_left_out(usable)}"


def describe_left_out(cases: Sequence[MeasuredScenario]) -> str:
    """Describe the unusable trials of scenarios that have usable ones."""
    left_out = {each: list_left_out(each) for each in cases}
    some = [
        f"{len(those)} of {len(each.trials)} trials of {each.name}"
        for each, those in left_out.items()
        if those
    ]
    if not some:
        return ""
    found = [each for those in left_out.values() for each in those]
    codes = sorted({code for each in found for code in list_errors(each) - DESCRIBING})
    verb = "is" if len(found) == 1 else "are"
    why = "an error verdict" if len(codes) == 1 else "error verdicts"
    return f" {name_some(some)} {verb} left out because of {why} ({join_words(codes)})."


def list_left_out(case: MeasuredScenario) -> list[CellSummary]:
    return [each for each in case.trials if each not in case.usable_trials]


def ask(results: Results) -> str:
    if results.sweeps:
        return f"what {describe_sweep(results)}?"
    if results.knee is not None:
        return f"what rate does {results.searched or 'the service'} sustain?"
    subjects = tuple(dict.fromkeys(each.subject for each in results.contrasts))
    of_endpoints = f" on {len(subjects)} endpoints" if len(subjects) > 1 else ""
    if len(results.cases) == 2:
        return "which of the two scenarios serves more, and why?"
    if asks_several(results):
        return f"what limits each of these {len(results.cases)} scenarios?"
    which = f"which of these {len(results.cases)} scenarios{of_endpoints}"
    return f"{which} has the highest throughput, and what limits the other scenarios?"


def describe_sweep(results: Results) -> str:
    setting = results.sweeps[0].setting
    values = sorted({point.value for each in results.sweeps for point in each.points})
    shown = join_words([format_setting_value(setting, each) for each in values])
    names = [each.scenario for each in results.sweeps]
    verb = "does" if len(names) == 1 else "do"
    return f"{verb} {join_words(names)} serve with --{setting} {shown}"


def describe_work(scenarios: Sequence[Scenario]) -> str:
    """Describe what requests wait for; empty where the times differ, or they wait for nothing."""
    delays = {each.delay_s for each in scenarios}
    if len(delays) != 1 or (delay_s := delays.pop()) is None:
        return ""
    upstream = all(each.upstream for each in scenarios)
    return f"{'an upstream that takes' if upstream else 'a wait of'} {describe_delay(delay_s)}"


def describe_delay(delay_s: Second) -> str:
    return f"{delay_s:g} s" if delay_s >= 1 else f"{1000 * delay_s:g} ms"


def describe_load(scenarios: Sequence[Scenario]) -> str:
    loads = {describe_users(each) for each in scenarios}
    return loads.pop() if len(loads) == 1 else ""


def describe_users(scenario: Scenario) -> str:
    load = scenario.load
    if load.arrival_rate is not None:
        return f"{load.arrival_rate:g} requests/s that arrive independently of the responses"
    users = formats.count_things(load.users, "user")
    if not load.think_s:
        return users
    pause = "pauses" if load.users == 1 else "pause"
    return f"{users} who {pause} for {describe_delay(load.think_s)} after each response"
