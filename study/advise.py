"""`study advise`: the recommended endpoint style for a load, with figures of this machine."""

import re
from contextlib import closing
from dataclasses import replace
from math import ceil
from pathlib import Path
from textwrap import wrap

import psutil

from analysis.guide.advice import (
    ROW_LABELS,
    Advice,
    AdviceQuestion,
    compute_advice,
    fill_row,
    find_kind,
    load_advice_table,
)
from analysis.guide.advice_page import render_advice_page
from analysis.guide.page import TemplateFiller
from analysis.guide.recorded import Records
from analysis.guide.rules import load_decision_table, load_rules
from analysis.report.table import WIDTH, Column, Row, Table, wrap_whole
from analysis.stats import formats
from analysis.theory.scenario_model import build_server_model
from records.files import translate_file_errors, write_whole
from scenarios.advice import AdviceOptions, Waits
from scenarios.catalogue import select_scenarios
from scenarios.errors import ALL_WELL, INTERRUPTED
from scenarios.model import Load, Scenario
from scenarios.resolution import resolve_scenario
from stress.interruption import CellInterruptedError, record_signals
from study.advice_questions import complete_options
from study.final_output import print_table
from study.guide import KEPT, PAGE, load_records
from study.machine_facts import detect_resources
from study.predictions import calibrate_scenarios
from study.progress import choose_display

LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
LABEL = 10
"""Width of a label's column."""
BUSY_SHARE = 0.3
"""Utilisation of a worker's interpreter above which the CPU per request with many in flight matters
and is calibrated too."""
MOST_IN_FLIGHT = 500


def write_form(path: Path) -> int:
    """Raises UserError."""
    with translate_file_errors(f"--html {path}"):
        write_whole(path, render_advice_page(load_records([KEPT])))
    print(path)
    return ALL_WELL


def give_advice(given: AdviceOptions) -> int:
    """Raises UserError. Returns INTERRUPTED after a signal during the calibration."""
    asked = complete_options(given)
    assert asked.waits is not None
    assert asked.rate is not None
    assert asked.workers is not None
    question = AdviceQuestion(
        waits=asked.waits,
        delay_s=asked.delay_s or 0.0,
        rate=asked.rate,
        workers=asked.workers,
        cores=asked.cores or psutil.cpu_count() or 1,
        cpu_s=asked.cpu_s or 0.0,
        thread_cpu_s=asked.thread_cpu_s or asked.cpu_s or 0.0,
    )
    if asked.cpu_s is None:
        try:
            question = measure_cpu(question)
        except CellInterruptedError:
            return INTERRUPTED
    print_advice(
        question, compute_advice(question), describe_cpu(question, measured=asked.cpu_s is None)
    )
    return ALL_WELL


def measure_cpu(question: AdviceQuestion) -> AdviceQuestion:
    """Fill in the CPU per request of this machine, alone, or if that keeps a worker busy with the
    expected number in flight. Raises UserError, CellInterruptedError."""
    rate_each = question.rate / question.workers
    in_flight = min(MOST_IN_FLIGHT, ceil(rate_each * question.delay_s))
    alone = calibrate_endpoints(question, 1)
    busy = rate_each * max(alone.cpu_s, alone.thread_cpu_s) >= BUSY_SHARE
    if not busy or in_flight < 2 or not is_delayed(question.waits):
        return alone
    return calibrate_endpoints(question, in_flight)


def calibrate_endpoints(question: AdviceQuestion, in_flight: int) -> AdviceQuestion:
    """Calibrate one worker with so many in flight. Raises UserError, CellInterruptedError."""
    resources, progress = detect_resources(), choose_display(quiet=False)
    chosen = [
        resolve_scenario(build_calibrated(name, question, in_flight), resources)
        for name in list_endpoints(question.waits)
    ]
    with closing(progress), record_signals() as interruption:
        found = calibrate_scenarios(chosen, interruption, progress.show_calibration)
    awaited_s, threaded_s = (
        replace(
            build_server_model(each, cost.cpu_s, samples=cost.samples), delay_s=question.delay_s
        )
        .scale_cpu_to_rate(question.rate / question.workers)
        .loop_cpu_s
        for each, cost in ((each, found[each.name]) for each in chosen)
    )
    return replace(question, cpu_s=awaited_s, thread_cpu_s=threaded_s)


def list_endpoints(waits: Waits) -> tuple[str, str]:
    """Return the scenarios that are calibrated: the awaiting one and the threaded one."""
    kind = find_kind(waits)
    return kind.awaited.scenario, kind.threaded.scenario


def is_delayed(waits: Waits) -> bool:
    """Return True if the endpoints have an adjustable delay."""
    return all(each.delay_s is not None for each in select_scenarios(list_endpoints(waits)))


def build_calibrated(name: str, question: AdviceQuestion, in_flight: int) -> Scenario:
    (scenario,) = select_scenarios((name,))
    return replace(
        scenario,
        load=Load(users=in_flight),
        delay_s=None if scenario.delay_s is None else question.delay_s,
        server=replace(scenario.server, workers=1),
    )


def describe_cpu(question: AdviceQuestion, measured: bool) -> str:
    awaited_s, threaded_s = (
        formats.duration_three_digits(each) for each in (question.cpu_s, question.thread_cpu_s)
    )
    if not measured:
        return f"CPU per request, as given: {awaited_s} in an async def, {threaded_s} in a def."
    awaited, threaded = list_endpoints(question.waits)
    return (
        f"CPU per request, measured now on this machine: {awaited_s} in an async def "
        f"({awaited}), {threaded_s} in a def ({threaded}). Your code needs more: measure it and "
        "give --cpu."
    )


def print_advice(question: AdviceQuestion, advice: Advice, cpu: str) -> None:
    """Print the recommendation last, where it stays on the screen when the command ends."""
    workers = formats.count_things(question.workers, "worker")
    print_wrapped(f"{advice.load}. {workers}, {formats.count_things(question.cores, 'core')}.")
    print()
    print_table(build_ways_table(advice))
    print_wrapped(cpu)
    print()
    print_rows(advice.rows, load_records([KEPT]))
    print()
    print_labelled("Write", strip_markup(advice.write))
    print_labelled("Because", strip_markup(advice.because))
    for text in advice.remarks:
        print_labelled("Also", strip_markup(text))
    rules = {each.name: each for each in load_rules()}
    for name in advice.rules:
        print_labelled(f"Rule {rules[name].number}", strip_markup(rules[name].claim))
        print(f"{'':{LABEL}}{format_place(PAGE)}#rule-{name}")


def build_ways_table(advice: Advice) -> Table:
    """Without a mean, requests arrive faster than they are served."""
    rows = [
        Row(
            strip_markup(each.name),
            (
                each.highest_rps,
                each.served_rps,
                "grows" if each.mean_s is None else formats.three_digits(1000 * each.mean_s),
                each.limited_by,
            ),
        )
        for each in advice.ways
    ]
    columns = (
        Column("predicted", is_text=True),
        Column("at most", "rps", formats.three_digits),
        Column("served", "rps", formats.three_digits),
        Column("mean", "ms"),
        Column("limited by", is_text=True),
    )
    return Table(columns, rows, notes=(load_advice_table().note,))


def print_rows(places: tuple[int, ...], records: Records) -> None:
    """Print rows of the decision table with their recorded figures."""
    filler, table = TemplateFiller(records), load_decision_table()
    machines = dict.fromkeys(str(each) for each in records.machines.values())
    print_wrapped(f"Nearest in the decision table, measured on {'; '.join(machines)}:")
    for place in places:
        row = fill_row(table.rows[place], filler)
        print_wrapped(f"- {row.measured}")
        for label, text in zip(ROW_LABELS, row.texts, strict=True):
            print_labelled(f"  {label}", strip_markup(text))


def format_place(path: Path) -> str:
    """Return the path relative to the current folder if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def strip_markup(text: str) -> str:
    """Return Markdown as plain text."""
    return LINK.sub(r"\1", text).replace("`", "")


def print_labelled(label: str, text: str) -> None:
    """Print the text in a column to the right of the label."""
    lines = wrap(text, WIDTH - LABEL, break_on_hyphens=False)
    for place, line in enumerate(lines):
        print(f"{'' if place else label:{LABEL}}{line}")


def print_wrapped(text: str) -> None:
    print(*wrap_whole(text), sep="\n")
