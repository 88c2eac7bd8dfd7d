"""Several contenders on several endpoints: which is faster overall, and where it is not."""

from analysis.answers.base import Statement
from analysis.answers.measured_scenario import DESCRIBING, LOWERING, are_of_service
from analysis.answers.results import Results
from analysis.stats import formats
from analysis.summary.contrast import Contrast, compute_overall, group_by_base
from analysis.summary.predicates import APART


class OverallContrast(Statement):
    """A contender compared with the base, over all endpoints."""

    rank = 10

    contender: str
    base: str
    subjects: int
    ratio: float
    """Geometric mean of the throughput ratios."""
    is_bound: bool
    """True if something other than the contender may have cost throughput."""
    lowest: tuple[str, float]
    """The endpoint with the lowest ratio, and that ratio."""
    highest: tuple[str, float]

    @classmethod
    def find(cls, results: Results) -> tuple[Statement, ...]:
        sound = [each for each in results.contrasts if is_sound(each)]
        found = (
            cls.build(each.contender, each.throughput_ratio, those)
            for those in group_by_base(sound)
            for each in compute_overall(those)[1:]
        )
        return tuple(each for each in found if each is not None)

    @classmethod
    def build(
        cls, contender: str, ratio: float | None, contrasts: list[Contrast]
    ) -> Statement | None:
        ratios = {
            each.subject: found
            for each in contrasts
            for one in each.results
            if one.contender == contender and (found := one.ratios["ok_rps"].ratio) is not None
        }
        if ratio is None or not ratios:
            return None
        lowest, highest = (choose(ratios, key=ratios.__getitem__) for choose in (min, max))
        return cls(
            contender=contender,
            base=contrasts[0].base.contender,
            subjects=len(ratios),
            ratio=ratio,
            is_bound=not all(
                are_of_service(one.doubts)
                for each in contrasts
                for one in each.results
                if one.contender == contender
            ),
            lowest=(lowest, ratios[lowest]),
            highest=(highest, ratios[highest]),
        )

    @property
    def message(self) -> str:
        if self.lowest[1] > 1 / APART and self.highest[1] < APART and not self.is_bound:
            return (
                f"{self.contender} is as fast as {self.base} on each of the {self.subjects} "
                "endpoints."
            )
        least = "at least " if self.is_bound else ""
        return (
            f"{self.contender} serves {least}{formats.short_ratio(self.ratio)} times as much as "
            f"{self.base} over {self.subjects} endpoints (geometric mean): from "
            f"{formats.short_ratio(self.lowest[1])} times on {self.lowest[0]} to "
            f"{formats.short_ratio(self.highest[1])} times on {self.highest[0]}."
        )


def is_sound(contrast: Contrast) -> bool:
    """Return True if the base is as measured and the others' throughput at least a lower bound."""
    others = contrast.results[1:]
    return are_of_service(contrast.base.doubts) and all(
        set(each.doubts) <= DESCRIBING | LOWERING for each in others
    )
