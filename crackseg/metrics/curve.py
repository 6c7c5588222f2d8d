"""Compute precision and recall at every threshold, and average precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CELLS = 256
"""Number of thresholds of a curve."""
_LARGEST_LOG_ODDS = 14.0


def share(part: ArrayLike, whole: ArrayLike) -> Floats:
    """Return ``part / whole`` element by element, NaN where ``whole`` is 0.

    Args:
        part: Numbers of any shape.
        whole: Numbers whose shape broadcasts with that of ``part``.

    Returns:
        Float64 ratios of the broadcast shape, ``(..., K)`` for arrays ``(..., K)``.

    Example:
        >>> share([1, 2], [4, 0]).tolist()
        [0.25, nan]
    """
    above, below = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    result: Floats = np.full(below.shape, np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result


def count_cells(
    probability: NDArray[np.float32], true: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the pixels of one image in cells of equal log-odds.

    The cells cover log-odds from -14 to 14. Most probabilities of a network are near 0 or 1, so cells of equal
    probability would put most pixels into the first and the last.

    Args:
        probability: ``(H, W)`` float32 crack probability, in [0, 1].
        true: ``(H, W)`` bool true mask.

    Returns:
        ``(CELLS,)`` int64 crack pixels and ``(CELLS,)`` int64 background pixels, the least probable first.

    Example:
        >>> import numpy as np
        >>> probability, true = np.array([[0.0, 0.5, 1.0]], np.float32), np.array([[False, True, True]])
        >>> crack, background = count_cells(probability, true)
        >>> np.flatnonzero(crack).tolist(), np.flatnonzero(background).tolist()
        ([128, 255], [0])
    """
    certain = np.float32(5e-7)
    clipped = np.clip(probability, certain, 1 - certain)
    log_odds = np.log(clipped) - np.log1p(-clipped)
    shares = (log_odds + _LARGEST_LOG_ODDS) / (2 * _LARGEST_LOG_ODDS)
    cells = np.clip(np.floor(shares * CELLS), 0, CELLS - 1).astype(np.int64)
    return np.bincount(cells[true], minlength=CELLS), np.bincount(cells[~true], minlength=CELLS)


def precision_recall(crack: Floats, background: Floats) -> tuple[Floats, Floats]:
    """Return precision and recall at every threshold.

    Args:
        crack: ``(..., K)`` float64 crack pixels by probability, the least probable first, as from `count_cells`.
        background: ``(..., K)`` float64 background pixels.

    Returns:
        ``(..., K)`` float64 precision and recall, entry ``k`` with cells ``k`` and above predicted as crack. Precision
        is 1 where no pixel is predicted, and recall NaN where there is no crack.

    Example:
        >>> import numpy as np
        >>> precision, recall = precision_recall(np.array([1.0, 3.0]), np.array([3.0, 1.0]))
        >>> precision.tolist(), recall.tolist()
        ([0.5, 0.75], [1.0, 0.75])
    """
    hits = _from_the_top(crack)
    called = hits + _from_the_top(background)
    precision = share(hits, called)
    return np.where(called == 0, 1.0, precision), share(hits, hits[..., :1])


def average_precision(crack: Floats, background: Floats) -> Floats:
    """Return the average precision.

    It is the sum over cells of the recall gained times the mean precision within the cell. Crack and background are
    taken as evenly mixed in a cell. Linear interpolation of the precision would be too high: most of the
    background lies in the least probable cell. With 256 cells the result is within 0.004 of the sum over every
    distinct probability, if there are many.

    Args:
        crack: ``(..., K)`` float64 crack pixels by probability, the least probable first.
        background: ``(..., K)`` float64 background pixels.

    Returns:
        ``(...)`` float64 average precision, in [0, 1]; NaN where there is no crack.

    Example:
        >>> import numpy as np
        >>> crack, background = np.array([0.0, 0.0, 4.0]), np.array([6.0, 2.0, 0.0])
        >>> float(average_precision(crack, background))
        1.0

    Source:
        Davis, Goadrich, "The relationship between precision-recall and ROC curves", ICML 2006, section 4. The sum over
        every distinct probability is scikit-learn's ``average_precision_score``.
    """
    inside = crack + background
    hits_above, called_above = (_from_the_top(counts) - counts for counts in (crack, inside))
    mixed = share(crack, inside)
    # Mean over a in [0, 1] of (hits_above + a * crack) / (called_above + a * inside).
    excess = share(hits_above - called_above * mixed, inside) * np.log1p(share(inside, called_above))
    precision = mixed + np.where(called_above > 0, excess, 0)
    return share(np.where(crack > 0, crack * precision, 0).sum(axis=-1), crack.sum(axis=-1))


def _from_the_top(counts: Floats) -> Floats:
    return np.asarray(np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1])
