"""Draw correlated noise along a line and over an image."""

import functools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_SMOOTH = 3.5
"""Pixels per period above which linear interpolation looks smooth."""
_STORE, _STRETCH = 2**21, 2**18
"""Number of stored normal draws, and the longest run of them that is used at once."""


def noise_1d(rng: np.random.Generator, length: int, period: float) -> NDArray[np.float64]:
    """Draw smooth noise along a line.

    Args:
        rng: Source of randomness.
        length: Number of values.
        period: Distance between independent values, in steps; at least 1.

    Returns:
        ``(n,)`` float64 with n = ``length``, mean about 0, standard deviation about 1.
    """
    return octaves_1d(rng, length, ((period, 1.0),))


def octaves_1d(rng: np.random.Generator, length: int, octaves: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Draw the sum of smooth noises of several periods along a line.

    Args:
        rng: Source of randomness.
        length: Number of values.
        octaves: Period, in steps, and standard deviation of each noise.

    Returns:
        ``(n,)`` float64 with n = ``length``, mean about 0.
    """
    table = np.array(octaves, dtype=np.float64)
    period = np.maximum(table[:, :1], 1.0)
    counts = np.ceil(length / period[:, 0]).astype(np.int64) + 4
    knots = rng.standard_normal(int(counts.sum()))
    where = np.arange(length) / period + (1.0 + rng.random((len(table), 1)))
    left = where.astype(np.int64)
    share = where - left
    left += (np.cumsum(counts) - counts)[:, None]
    p0, p1, p2, p3 = (knots[left + k] for k in (-1, 0, 1, 2))
    # Catmull-Rom spline through the knots.
    value = p1 + 0.5 * share * (p2 - p0 + share * (2 * p0 - 5 * p1 + 4 * p2 - p3 + share * (3 * (p1 - p2) + p3 - p0)))
    return np.asarray(1.15 * (table[:, 1] @ value))


def jagged_1d(rng: np.random.Generator, length: int, period: float) -> NDArray[np.float64]:
    """Draw noise along a line, linear between random corners.

    Args:
        rng: Source of randomness.
        length: Number of values.
        period: Mean distance between corners, in steps; at least 1.

    Returns:
        ``(n,)`` float64 with n = ``length``, mean about 0, standard deviation about 1.
    """
    count = int(np.ceil(length / max(float(period), 1.0))) + 3
    corners = np.cumsum(rng.uniform(0.2, 1.8, count)) * max(float(period), 1.0)
    return np.asarray(np.interp(np.arange(length) + period, corners, 1.25 * rng.standard_normal(count)))


def noise_2d(
    rng: np.random.Generator, shape: tuple[int, int], period: float | tuple[float, float]
) -> NDArray[np.float32]:
    """Draw smooth noise over an image.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(H, W)``, in pixels.
        period: Distance between independent values, in pixels, or one for rows and one for columns; at least 1.

    Returns:
        ``(H, W)`` float32, mean about 0, standard deviation about 1.

    Example:
        >>> noise = noise_2d(np.random.default_rng(0), (64, 96), 8.0)
        >>> noise.shape, noise.dtype.name, bool(abs(noise.std() - 1) < 0.3)
        ((64, 96), 'float32', True)
    """
    row_period, col_period = (period, period) if isinstance(period, (int, float)) else period
    rows, row_offset = _cells(rng, shape[0], max(float(row_period), 1.0))
    cols, col_offset = _cells(rng, shape[1], max(float(col_period), 1.0))
    if rows[0] == rows[1] and cols[0] == cols[1]:
        return white_2d(rng, shape)
    coarse = white_2d(rng, (rows[0], cols[0]))
    coarse *= np.float32(1.2)
    step = min(rows[1] / rows[0], cols[1] / cols[0]) / _SMOOTH
    if step >= 2:
        between = (int(cols[1] / step), int(rows[1] / step))
        middle = cv2.resize(coarse, between, interpolation=cv2.INTER_CUBIC)
        fine = cv2.resize(middle, (cols[1], rows[1]), interpolation=cv2.INTER_LINEAR)
    else:
        fine = cv2.resize(coarse, (cols[1], rows[1]), interpolation=cv2.INTER_CUBIC)
    crop = fine[row_offset : row_offset + shape[0], col_offset : col_offset + shape[1]]
    return np.asarray(crop, dtype=np.float32)


def white_2d(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Draw uncorrelated noise.

    The values are random runs of one long fixed draw, which is faster than drawing them.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(H, W)``, in pixels.

    Returns:
        ``(H, W)`` float32, mean 0, standard deviation 1.
    """
    store, count = _normal_draws(), shape[0] * shape[1]
    values = np.empty(count, np.float32)
    for first in range(0, count, _STRETCH):
        part = values[first : first + _STRETCH]
        start = int(rng.integers(0, len(store) - len(part), endpoint=True))
        part[:] = store[start : start + len(part)]
    return values.reshape(shape)


@functools.lru_cache(maxsize=1)
def _normal_draws() -> NDArray[np.float32]:
    """Return a fixed ``(2**21,)`` float32 array of normal draws."""
    draws = np.random.Generator(np.random.SFC64(0)).standard_normal(_STORE, np.float32)
    draws.flags.writeable = False
    return draws


def _cells(rng: np.random.Generator, length: int, period: float) -> tuple[tuple[int, int], int]:
    """Return the number of values, of pixels they cover, and the offset."""
    if period <= 1.0:
        return (length, length), 0
    count = int(np.ceil(length / period)) + 1
    pixels = round(count * period)
    return (count, pixels), int(rng.integers(0, max(pixels - length, 0), endpoint=True))


def fractal_2d(
    rng: np.random.Generator, shape: tuple[int, int], periods: tuple[float, float], gain: float = 0.6
) -> NDArray[np.float32]:
    """Draw noise with detail at every scale between two periods.

    Args:
        rng: Source of randomness.
        shape: Height and width ``(H, W)``, in pixels.
        periods: Smallest and largest period, in pixels.
        gain: Weight of each octave relative to the next larger one, in ``(0, 1]``.

    Returns:
        ``(H, W)`` float32, mean about 0, standard deviation about 1.
    """
    small, large = max(periods[0], 1.0), max(periods[0], periods[1], 1.0)
    total = np.zeros(shape, np.float32)
    weight, power, period = 1.0, 0.0, large
    while period >= small:
        cv2.scaleAdd(noise_2d(rng, shape, period), weight, total, total)
        power += weight * weight
        period, weight = period / 2, weight * gain
    total *= np.float32(1 / np.sqrt(max(power, 1e-12)))
    return total
