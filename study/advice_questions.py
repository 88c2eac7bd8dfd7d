"""The questions of `study advise`, one for each option that is not given."""

import sys
from collections.abc import Sequence

from analysis.guide.advice import load_advice_table
from scenarios.advice import AdviceOptions
from scenarios.errors import UserError
from scenarios.options import Option, list_options, replace_value

ATTEMPTS = 3
ASKED = ("waits", "delay_s", "rate", "workers")
EXAMPLES = {"waits": "network", "delay_s": "300ms", "rate": "200/s", "workers": "1"}
QUESTIONS = {
    "delay_s": "How long does a request wait or compute",
    "rate": "What is the arrival rate over all workers",
    "workers": "How many workers (server processes) are there",
}


def complete_options(given: AdviceOptions) -> AdviceOptions:
    """Ask for the missing options on a terminal. Raises UserError elsewhere, and for options that
    exclude each other."""
    reject_useless_options(given)
    missing = list_missing(given)
    if missing and not sys.stdin.isatty():
        typed = " ".join(f"{each.name} {EXAMPLES[each.field]}" for each in missing)
        names = ", ".join(each.name for each in missing)
        raise UserError(f"there is no terminal to ask for {names}: give them, such as {typed}")
    for option in missing:
        if option in list_missing(given):  # with --waits nothing there is no delay to ask for
            given = replace_value(given, option.field, ask_option(option))
    if missing:
        ask("")
    return given


def list_missing(given: AdviceOptions) -> Sequence[Option]:
    known = {each.field: each for each in list_options(AdviceOptions)}
    asked = [each for each in ASKED if not (each == "delay_s" and given.waits == "nothing")]
    return [known[each] for each in asked if getattr(given, each) is None]


def reject_useless_options(given: AdviceOptions) -> None:
    if given.waits == "nothing" and given.delay_s is not None:
        raise UserError("--delay has no effect with --waits nothing; leave it out")
    if given.thread_cpu_s is not None and given.cpu_s is None:
        raise UserError("--thread-cpu: give --cpu too, or neither to have both measured")


def ask_option(option: Option) -> object:
    """Raises UserError if no valid answer comes."""
    if option.field == "waits":
        ask("What does a request wait for?")
        for number, kind in enumerate(load_advice_table().kinds, start=1):
            ask(f"  {number}  {kind.name:<10}{kind.label}")
        question = "Number or name"
    else:
        question = QUESTIONS[option.field]
    for _ in range(ATTEMPTS):
        ask(f"{question}, such as {EXAMPLES[option.field]}: ", end="")
        line = sys.stdin.readline()
        if not line:
            raise UserError(f"no answer: standard input ended; give {option.name}")
        try:
            return parse_answer(option, line.strip())
        except UserError as problem:
            ask(str(problem))
    raise UserError(f"no answer in {ATTEMPTS} attempts; give {option.name}")


def ask(text: str, end: str = "\n") -> None:
    """Print on stderr: stdout may go to a file."""
    print(text, end=end, file=sys.stderr, flush=True)


def parse_answer(option: Option, text: str) -> object:
    """Raises UserError."""
    if option.unit is None:
        names = [each.name for each in load_advice_table().kinds]
        numbers = {str(number): name for number, name in enumerate(names, start=1)}
        if (found := numbers.get(text, text)) not in names:
            raise UserError(f"{text!r}: give 1 to {len(names)}, or {', '.join(names)}")
        return found
    value = option.unit.parse(option.name, text)
    option.check_bounds(value)
    return value
