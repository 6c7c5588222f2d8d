"""Compute confidence intervals by bootstrap over images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crackseg.metrics.curve import Floats

DRAWS = 1000
CONFIDENCE = 0.95
_BLOCK = 100
_LEAST_DEFINED = 0.95


def resample(columns: Mapping[str, NDArray[Any]], *, draws: int = DRAWS, seed: int = 0) -> dict[str, Floats]:
    """Return the summed counts of bootstrap samples of the images.

    Each sample draws as many images as there are, with replacement. The same seed draws the same images, so two models
    scored on the same images are compared in pairs.

    Args:
        columns: Counts by name, ``(N, ...)`` for ``N`` images, at least one.
        draws: Number of samples ``D``.
        seed: Random seed.

    Returns:
        ``(D, ...)`` float64 sums by name.

    Example:
        >>> import numpy as np
        >>> sums = resample({"images": np.ones(7)}, draws=4)
        >>> sums["images"].tolist()
        [7.0, 7.0, 7.0, 7.0]

    Source:
        Efron, Tibshirani, "An introduction to the bootstrap", 1993, chapters 6 and 13.
    """
    n = len(next(iter(columns.values())))
    rng = np.random.default_rng(seed)
    parts: dict[str, list[Floats]] = {name: [] for name in columns}
    for start in range(0, draws, _BLOCK):
        size = min(_BLOCK, draws - start)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
        for name, column in columns.items():
            flat = column.reshape(n, -1).astype(np.float64)
            parts[name].append((weights @ flat).reshape(size, *column.shape[1:]))
    return {name: np.concatenate(blocks) for name, blocks in parts.items()}


def interval(values: Floats) -> tuple[float, float] | None:
    """Return the percentile interval of a score at 95 % confidence.

    Args:
        values: ``(D,)`` float64 values of the score, one per sample; NaN where it is undefined.

    Returns:
        Lower and upper limit; None if the score is undefined in more than 5 % of the samples.

    Example:
        >>> import numpy as np
        >>> low, high = interval(np.linspace(0, 1, 101))
        >>> round(low, 3), round(high, 3)
        (0.025, 0.975)

    Source:
        Efron, Tibshirani, 1993, section 13.3.
    """
    defined = values[np.isfinite(values)]
    if len(defined) < _LEAST_DEFINED * len(values) or not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
