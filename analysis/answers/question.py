"""The question that the chosen scenarios put: a title, and a line with what they share."""

from collections.abc import Iterator, Sequence

from analysis.answers.factors import join_words
from analysis.answers.results import Results
from scenarios.model import Scenario
from scenarios.sweep import format_setting_value
from scenarios.units import format_duration


def write_title(results: Results) -> str:
    if (exercise := results.exercise) is not None and exercise.title:
        edited = ", after the edit" if exercise.edited else ""
        return f"Exercise {exercise.exercise}: {exercise.title}{edited}"
    if results.sweeps:
        return f"What does --{results.sweeps[0].setting} change?"
    if results.knee is not None:
        return f"How much can {results.searched or 'it'} serve?"
    if len(results.cases) == 1:
        return f"What does {results.cases[0].name} serve?"
    styles = {each.scenario.endpoint.style for each in results.cases}
    if {"def", "async def"} <= styles and not results.contrasts:
        return "def or async def?"
    return "Which serves more?"


def write_question(results: Results) -> str:
    """What is compared, what a request waits for, and how many ask; what differs between the
    scenarios is left out."""
    exercise, scenarios = results.exercise, [each.scenario for each in results.cases]
    if exercise is not None and exercise.question:
        return f"{exercise.asked_words}?" if exercise.edited else exercise.question
    if not scenarios:
        return "Nothing was measured."
    shared = [describe_work(scenarios), describe_load(scenarios)]
    return "; ".join(filter(None, (write_subject(results), *shared))) + "."


def write_subject(results: Results) -> str:
    if results.sweeps:
        return describe_sweep(results)
    if results.knee is not None:
        return f"{len(results.cases)} rates were offered"
    if len(results.cases) == 1:
        return results.cases[0].scenario.question.rstrip(".")
    subjects = tuple(dict.fromkeys(each.subject for each in results.contrasts))
    if len(subjects) == 1 and len(results.families) == 1:
        return f"{len(results.cases)} scenarios: {subjects[0]}"
    many = f" on {len(subjects)} endpoints" if len(subjects) > 1 else ""
    return f"{len(results.cases)} scenarios{many}"


def describe_sweep(results: Results) -> str:
    setting = results.sweeps[0].setting
    values = sorted({point.value for each in results.sweeps for point in each.points})
    shown = join_words([format_setting_value(setting, each) for each in values])
    return f"{join_words([each.scenario for each in results.sweeps])} with {setting} {shown}"


def describe_work(scenarios: Sequence[Scenario]) -> str:
    """Empty where they wait for different times, or for nothing."""
    delays = {each.delay_s for each in scenarios}
    if len(delays) != 1 or (delay_s := delays.pop()) is None:
        return ""
    upstream = all(each.upstream for each in scenarios)
    return f"{'an upstream' if upstream else 'a wait'} that takes {format_duration(delay_s)}"


def describe_load(scenarios: Sequence[Scenario]) -> str:
    loads = {tuple(list_load_words(each)) for each in scenarios}
    return ", ".join(loads.pop()) if len(loads) == 1 else ""


def list_load_words(scenario: Scenario) -> Iterator[str]:
    load = scenario.load
    if load.arrival_rate is not None:
        yield f"{load.arrival_rate:g} requests/s arrive, whatever the answers do"
        return
    yield f"{load.users} user{'' if load.users == 1 else 's'}"
    if load.think_s:
        yield f"who pause for {format_duration(load.think_s)} after each answer"
