"""Quantiles, always from raw measurements, and quotients; None without data."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Numbers = Sequence[float] | Values


def estimate_quantile(values: Numbers, q: float, weights: Numbers | None = None) -> float | None:
    """Return the smallest measured value that at least the share q of all (by weight) does not
    exceed; None without values.

    It is the inverted distribution function (type 1 of Hyndman and Fan, The American Statistician
    50, 1996): always a measured value, and well-defined for weighted and censored data.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.size == 0 or (weights is not None and not np.any(weights)):
        return None
    return float(np.quantile(data, q, weights=weights, method="inverted_cdf"))


def divide_or_none(part: float, whole: float) -> float | None:
    """Return None for a `whole` of 0: unknown is not 0."""
    return part / whole if whole else None


def estimate_survival(durations: Values, known: npt.NDArray[np.bool_]) -> tuple[Values, Values]:
    """Return durations in order, and the share of all requests that ended at each of them.

    `known` is false where a duration is only a lower bound. Such a request's share goes to all
    that ended later (Kaplan and Meier, JASA 53, 1958). The share left after the last known one
    ends at infinity, since its end is unknown.

    SciPy's `ecdf` gives the same result, as a test checks. For 10 million durations it takes 6.4 s
    of CPU and 1.1 GiB, this function 2.4 s and 0.7 GiB (SciPy 1.17, one run each).
    """
    answered, left = np.sort(durations[known]), np.sort(durations[~known])
    # at the same moment, exact durations come before lower bounds
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
    """Return the smallest duration t with S(t) <= 1 - q, which is `estimate_quantile` without
    censoring (R's survfit takes the middle of the interval where S is exactly 1 - q). None where
    too many requests are unanswered."""
    ordered, weights = estimate_survival(durations, known)
    if not len(durations):
        return tuple(None for _ in shares)
    ended = np.cumsum(weights)
    ended[-1] = 1.0
    # where survival is exactly 1 - q, the product of fractions may be off by rounding
    rounding = len(durations) * float(np.finfo(np.float64).eps)
    found = (float(ordered[np.searchsorted(ended, q - rounding)]) for q in shares)
    return tuple(None if np.isinf(each) else each for each in found)
