"""The judgement: every verdict of this package is asked, the gravest first."""

from functools import cache
from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules

from analysis import verdicts
from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    found = (each.check(evidence) for each in list_verdicts())
    return tuple(verdict for verdict in found if verdict is not None)


@cache
def list_verdicts() -> tuple[type[Verdict], ...]:
    """By rank. From the modules' names: `__subclasses__` also has the class that a dataclass with
    slots was before it got them."""
    names = (each.name for each in iter_modules(verdicts.__path__))
    modules = [import_module(f"{verdicts.__name__}.{name}") for name in names]
    found = {
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Verdict) and not isabstract(each)
    }
    return tuple(sorted(found, key=lambda each: each.rank))
