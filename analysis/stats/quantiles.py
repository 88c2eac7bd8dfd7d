"""Quantiles, always from raw measurements, and quotients: None where there is nothing to tell."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Numbers = Sequence[float] | Values


def estimate_quantile(values: Numbers, q: float, weights: Numbers | None = None) -> float | None:
    """The smallest measured value that at least the share q of all (by weight) does not exceed.

    Inverted distribution function (type 1 of Hyndman and Fan, The American Statistician 50,
    1996): always a value that was measured, and well-defined for weighted and censored data.
    None where there is nothing.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size == 0 or (weights is not None and not np.any(weights)):
        return None
    return float(np.quantile(data, q, weights=weights, method="inverted_cdf"))


def divide_or_none(part: float, whole: float) -> float | None:
    """None where nothing was measured: unknown is not 0."""
    return part / whole if whole else None


def estimate_survival(durations: Values, known: npt.NDArray[np.bool_]) -> tuple[Values, Values]:
    """Durations in order, and the share of all requests that ended at each of them.

    `known` is false where a duration is only a lower bound. Such a request's share goes to all
    that ended later (Kaplan and Meier, JASA 53, 1958). What is left after the last one known ends
    at infinity: nobody saw when.

    SciPy's `ecdf` finds the same, and a test holds this to it. Of 10 million durations it takes
    6.4 s of CPU and 1.1 GiB where this takes 2.4 s and 0.7 GiB (SciPy 1.17, one run each).
    """
    answered, left = np.sort(durations[known]), np.sort(durations[~known])
    # at the same moment, answers come before the leaving
    places = np.searchsorted(answered, left, side="right")
    ordered = np.insert(answered, places, left)
    ended = np.insert(np.ones(len(answered), dtype=np.bool_), places, values=False)
    at_risk = np.arange(len(durations), 0, -1)
    surviving = np.cumprod(1 - ended / at_risk)
    shares = -np.diff(surviving, prepend=1.0)
    return (
        np.append(ordered, np.inf),
        np.append(shares, surviving[-1] if len(durations) else 0.0),
    )


def estimate_censored_quantiles(
    durations: Values, known: npt.NDArray[np.bool_], shares: Sequence[float]
) -> tuple[float | None, ...]:
    """The smallest duration t with S(t) <= 1 - q, as `estimate_quantile` has it without censoring
    (R's survfit takes the middle of the interval where S is exactly 1 - q). None where so many
    were never answered that nobody can know it."""
    ordered, weights = estimate_survival(durations, known)
    if not len(durations):
        return tuple(None for _ in shares)
    ended = np.cumsum(weights)
    ended[-1] = 1.0
    # where survival is exactly 1 - q, a product of fractions may miss it by their rounding
    rounding = len(durations) * float(np.finfo(np.float64).eps)
    found = (float(ordered[np.searchsorted(ended, q - rounding)]) for q in shares)
    return tuple(None if np.isinf(each) else each for each in found)
