"""The judgement: every verdict of this package is asked, the gravest first."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from analysis import verdicts
from analysis.verdicts.base import Verdict
from analysis.verdicts.evidence import Evidence


def judge(evidence: Evidence) -> tuple[Verdict, ...]:
    found = (each.check(evidence) for each in list_verdicts())
    return tuple(verdict for verdict in found if verdict is not None)


@cache
def list_verdicts() -> tuple[type[Verdict], ...]:
    """By rank."""
    for each in iter_modules(verdicts.__path__):
        import_module(f"{verdicts.__name__}.{each.name}")
    return tuple(sorted(Verdict.__subclasses__(), key=lambda each: each.rank))
