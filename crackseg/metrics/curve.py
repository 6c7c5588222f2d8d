"""Precision and recall at every threshold, and the area under them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def share(part: ArrayLike, whole: ArrayLike) -> Floats:
    """Return ``part / whole`` element by element, NaN where ``whole`` is 0: undefined is not zero."""
    above, below = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    result: Floats = np.full(below.shape, np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result


def precision_recall(crack: Floats, background: Floats) -> tuple[Floats, Floats]:
    """Return precision and recall at every threshold.

    Args:
        crack: ``(..., K)`` crack pixels by probability, as `ProbabilityHistogram.crack`.
        background: ``(..., K)`` background pixels.

    Returns:
        ``(..., K)`` precision and recall where cells ``k`` and above are called crack; precision is 1 where nothing is
        called, recall NaN where there is no crack.
    """
    hits = np.cumsum(crack[..., ::-1], axis=-1)[..., ::-1]
    called = hits + np.cumsum(background[..., ::-1], axis=-1)[..., ::-1]
    precision = share(hits, called)
    return np.where(called == 0, 1.0, precision), share(hits, hits[..., :1])


def average_precision(crack: Floats, background: Floats) -> Floats:
    """Return the average precision ``sum_k (R_k - R_(k+1)) P_k``, ``(...)``; NaN where there is no crack.

    Args:
        crack: ``(..., K)`` crack pixels by probability.
        background: ``(..., K)`` background pixels.

    Source:
        The sum of scikit-learn's ``average_precision_score``: no interpolation, which Davis, Goadrich, "The
        relationship between precision-recall and ROC curves", ICML 2006, show to flatter.
    """
    precision, recall = precision_recall(crack, background)
    ends = np.zeros((*recall.shape[:-1], 1))
    gained = recall - np.concatenate([recall[..., 1:], ends], axis=-1)
    return np.asarray((gained * precision).sum(axis=-1))
