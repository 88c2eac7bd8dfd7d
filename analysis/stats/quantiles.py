"""The one function that computes a quantile, always from raw measurements."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = Sequence[float] | npt.NDArray[np.float64]


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


def compute_time_weights(moments: npt.NDArray[np.float64], start: float) -> npt.NDArray[np.float64]:
    """How long each sample stands for: since the one before it, or since `start`."""
    return np.diff(moments, prepend=start).clip(min=0.0)
