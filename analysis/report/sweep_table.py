"""The table of a sweep, and where more of the setting stops paying."""

from analysis.metrics import list_metrics
from analysis.report.table import Column, Row, Table, build_column
from analysis.stats import formats
from analysis.summary.sweep import WORTH, Sweep
from scenarios.sweep import format_setting_value


def build_sweep_table(found: Sweep, title: str) -> Table:
    metrics = list_metrics("sweep")
    return Table(
        (Column(found.setting), *(build_column(each, "sweep") for each in metrics)),
        [
            Row(
                format_setting_value(found.setting, point.value),
                [point.figures[each.key] for each in metrics],
            )
            for point in found.points
        ],
        title,
        write_sweep_remarks(found),
    )


def write_sweep_remarks(found: Sweep) -> list[str]:
    """What it comes to, and which steps not to believe."""
    remarks = [describe_sufficient_value(found)]
    if found.setting == "users" and found.grows:
        remarks.append(f"with the users grew {found.grows}, as the scenario has it")
    remarks += [
        f"{found.setting} {format_setting_value(found.setting, each.value)}: "
        f"{count} of {each.trials} trials say {code}"
        for each in found.points
        for code, count in each.doubts.items()
    ]
    return remarks


def describe_sufficient_value(found: Sweep) -> str:
    """Where it stops paying, in a sentence."""
    return f"{found.scenario}: {describe_limit(found)}"


def describe_limit(found: Sweep) -> str:
    most = max((each.ok_rps or 0.0 for each in found.points), default=0.0)
    if not most:
        return "nothing was answered at any value"
    if found.enough is None:
        return "shorter delays serve less, so the delay is not what limits there"
    enough, highest = format_setting_value(found.setting, found.enough), formats.rate(most)
    percent = f"{100 * WORTH:.0f} %"
    if len(found.points) == 1:
        return f"only {found.setting} {enough} was measured"
    if found.setting == "delay":
        if found.enough == found.points[0].value:
            return f"the delay is what limits, from {enough} on"
        return (
            f"a delay of up to {enough} costs less than {percent} of the "
            f"throughput ({highest} rps): until there something else limits"
        )
    if found.enough == found.points[-1].value:
        return f"{found.setting} {enough} still paid, and no more was tried"
    return (
        f"more than {found.setting} {enough} stops paying: all beyond brings "
        f"less than {percent} (at the most {highest} rps){describe_harm(found, most)}"
    )


def describe_harm(found: Sweep, most: float) -> str:
    """Where the largest value is not only useless."""
    last = found.points[-1]
    if last.ok_rps is None or last.ok_rps >= (1 - WORTH) * most:
        return ""
    less = formats.percent(1 - last.ok_rps / most)
    return f"; {format_setting_value(found.setting, last.value)} serves {less} less than that"
