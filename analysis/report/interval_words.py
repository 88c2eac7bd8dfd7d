"""Why there is no interval, in words."""

from analysis.stats import formats
from analysis.stats.intervals import NoRatio, TooFewPairs, TooFewTrials, WhyNone, ZeroValues


def explain_missing(why: WhyNone) -> str:
    match why:
        case TooFewTrials(1, _, needed):
            return f"1 trial: nothing is known of how much trials differ; {needed} are needed"
        case TooFewTrials(trials, covered, needed):
            return (
                f"{trials} trials: even their whole range covers the median in only "
                f"{formats.percent(covered)} of cases; {needed} are needed"
            )
        case TooFewPairs(base, other, by_chance, needed):
            return (
                f"{base} v {other} trials: chance alone sets them fully apart in "
                f"{formats.percent(by_chance)} of cases; {needed} of each are enough"
            )
        case ZeroValues(zeros, values):
            return f"{zeros} of {values} values are 0: a ratio needs all above it"
        case NoRatio.NOTHING_MEASURED:
            return "nothing was measured on one side"
        case NoRatio.MANY_FAILURES:
            return "over 1 % of the answers are failures"


def name_reasons(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A `dict_factory` for `dataclasses.asdict`."""
    return {
        key: explain_missing(value) if isinstance(value, WhyNone) else value for key, value in pairs
    }
