"""Describe training images by twenty statistics each, and measure the distance of an image."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import ImageError, ModelError, UsageError
from crackseg.imaging.codec import read_image

SIDE_PX = 160
"""Longer side to which images are reduced first, in pixels, so that their size hardly matters."""
MOST_PER_GROUP = 100
"""Largest number of images described per data set, spread over their names."""
LEAST_LIMIT = 2.75
"""Distance below which no image is far; see ``experiments/domain.py``."""

_BOXES_PX = (3, 7, 15, 31)
_EDGE_LEVELS, _FLAT_LEVELS = 20.0, 0.5
_DARK, _BRIGHT = 5, 250

TYPICAL_SPREAD: Mapping[str, float] = {
    "brightness": 33.2, "contrast": 12.3, "chroma": 11.5, "chroma_peak": 14.3, "tint": 14.0, "tint_red_blue": 0.767,
    "tint_red_green": 0.576, "extreme": 0.15, "band_3px": 0.778, "band_7px": 0.693, "band_15px": 0.616,
    "band_31px": 0.57, "band_coarse": 0.593, "peaked_3px": 0.0886, "peaked_7px": 0.104, "uneven": 0.29, "flat": 0.0925,
    "edges": 0.241, "step": 0.845, "entropy": 0.874,
}  # fmt: skip
"""Names of the statistics in their order, with the spread of each over images of eleven data sets.

The spread of ``extreme``, the share of black and white pixels, is wider than measured: a piece of sky or a road marking
does not make an image strange.
"""

_BEYOND_MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class Domain:
    """The training images of a model as a cloud in the space of statistics.

    Attributes:
        mean: Centre of the cloud, one number for each statistic of `TYPICAL_SPREAD`.
        whitening: Rows of a lower triangular matrix that turns a deviation from the centre into independent numbers of
            spread 1.
        limit: Distance from which an image is far.
    """

    mean: tuple[float, ...]
    whitening: tuple[tuple[float, ...], ...]
    limit: float

    def distance(self, image: NDArray[np.uint8]) -> float:
        """Return the distance of an image from the training images.

        Args:
            image: ``(H, W, 3)`` uint8 RGB pixels.

        Returns:
            The distance; about 1 for a training image.
        """
        return float(distances(self, describe(image)[None])[0])

    def to_dict(self) -> dict[str, Any]:
        """Return the form for a model card."""
        return {
            "statistics": list(TYPICAL_SPREAD),
            "mean": list(self.mean),
            "whitening": [list(row) for row in self.whitening],
            "limit": self.limit,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str) -> Domain | None:
        """Read the domain from a model card.

        Args:
            values: The ``domain`` of the card.
            where: Name of the model in errors.

        Returns:
            The domain; None if the card has none, or one of other statistics.

        Raises:
            ModelError: If the domain is damaged.
        """
        if not values or values.get("statistics") != list(TYPICAL_SPREAD):
            return None
        try:
            rows = tuple(tuple(float(value) for value in row) for row in values["whitening"])
            domain = cls(tuple(float(value) for value in values["mean"]), rows, float(values["limit"]))
            lengths = [len(row) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(where) from error
        numbers = [*domain.mean, *(value for row in rows for value in row), domain.limit]
        expected = len(TYPICAL_SPREAD)
        if len(domain.mean) != expected or lengths != list(range(1, expected + 1)) or not np.isfinite(numbers).all():
            raise _damaged(where)
        return domain


def _damaged(where: str) -> ModelError:
    return ModelError("the training statistics in its card are damaged", where=where, hint="export it again")


def describe(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return statistics of an image that hardly depend on its size.

    Args:
        image: ``(H, W, 3)`` uint8 RGB pixels.

    Returns:
        ``(20,)`` float64 statistics, in the order of `TYPICAL_SPREAD`: shares as square roots and energies as
        logarithms, so that all of them spread evenly.
    """
    small = _reduce(image)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    levels = _shares(grey)
    real = grey.astype(np.float32)
    mean, spread = _mean_and_spread(real)
    extreme = float(levels[: _DARK + 1].sum() + levels[_BRIGHT:].sum())
    used = levels[levels > 0]
    return np.array(
        [mean, spread, *_of_colour(small), np.sqrt(extreme), *_of_bands(real), *_of_steps(real, spread),
         float(-(used * np.log2(used)).sum())]
    )  # fmt: skip


def _reduce(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    factor = SIDE_PX / max(image.shape[:2])
    if factor >= 1:
        return image
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _mean_and_spread(values: Any) -> tuple[float, float]:
    mean, spread = cv2.meanStdDev(values)
    return float(mean[0, 0]), float(spread[0, 0])


def _shares(levels: Any) -> NDArray[np.float64]:
    """Return the share of pixels at each of 256 levels."""
    counts = cv2.calcHist([levels], [0], None, [256], [0, 256])
    shares: NDArray[np.float64] = np.asarray(counts, dtype=np.float64).ravel() / levels.size
    return shares


def _of_colour(small: NDArray[np.uint8]) -> list[float]:
    """Return the five statistics of colour.

    These are the mean chroma, its 98th percentile, the tint, and the spread of two opponent colours.
    """
    red, green, blue = cv2.split(small)
    smooth = cv2.blur(small, (5, 5))
    low, middle, high = cv2.split(smooth)
    vivid = cv2.subtract(cv2.max(cv2.max(low, middle), high), cv2.min(cv2.min(low, middle), high))
    chroma = cv2.subtract(cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue))
    share = np.cumsum(_shares(vivid))
    tint, warm = _mean_and_spread(cv2.subtract(red, blue, dtype=cv2.CV_32F))
    _, rosy = _mean_and_spread(cv2.subtract(red, green, dtype=cv2.CV_32F))
    return [
        _mean_and_spread(chroma)[0], float(np.searchsorted(share, 0.98)), tint, np.log(warm + 1), np.log(rosy + 1)
    ]  # fmt: skip


def _of_bands(real: NDArray[np.float32]) -> list[float]:
    """Return the eight statistics of frequency bands.

    These are the energy of five bands from fine to coarse, the peakedness of two, and the unevenness of one.
    """
    blurs = [real, *(cv2.blur(real, (size, size), borderType=cv2.BORDER_REFLECT) for size in _BOXES_PX)]
    bands = [cv2.subtract(one, other) for one, other in itertools.pairwise(blurs)]
    spreads = [_mean_and_spread(band)[1] for band in (*bands, blurs[-1])]
    peaked = []
    for band, spread in zip(bands[:2], spreads, strict=False):
        size = cv2.norm(band, cv2.NORM_L1) / band.size
        peaked.append(np.log((size + 0.05) / (spread + 0.05)))
    local = cv2.resize(cv2.multiply(bands[1], bands[1]), (8, 8), interpolation=cv2.INTER_AREA)
    return [*(np.log(spread + 0.5) for spread in spreads), *peaked, float(np.log(local + 0.25).std())]


def _of_steps(real: NDArray[np.float32], spread: float) -> list[float]:
    """Return the three statistics of steps between neighbours.

    These are the shares of flat and edge pixels and the logarithm of von Neumann's ratio, which is 0 if neighbours are
    independent.
    """
    across, down = (cv2.Sobel(real, cv2.CV_32F, *order, ksize=3, scale=1 / 8) for order in ((1, 0), (0, 1)))
    steep = np.asarray(cv2.magnitude(across, down))
    flat = np.count_nonzero(steep < _FLAT_LEVELS) / real.size
    edges = np.count_nonzero(steep > _EDGE_LEVELS) / real.size
    squares = [
        cv2.norm(one, other, cv2.NORM_L2SQR) / one.size
        for one, other in ((real[1:], real[:-1]), (real[:, 1:], real[:, :-1]))
        if one.size
    ]
    ratio = (sum(squares) / 4 + 0.25) / (spread**2 + 1)
    return [float(np.sqrt(flat)), float(np.sqrt(edges)), float(np.log(ratio))]


def fit_domain(groups: Sequence[NDArray[np.float64]]) -> Domain:
    """Return the domain of training images.

    Each data set has the same weight.
    The covariance of half the `TYPICAL_SPREAD` is added, so that a model trained on a single wall does not call the
    next one strange.

    Args:
        groups: ``(n, 20)`` float64 statistics of each data set, at least one image each.
    """
    mean = np.mean([group.mean(axis=0) for group in groups], axis=0)
    covariance = np.mean([(group - mean).T @ (group - mean) / len(group) for group in groups], axis=0)
    covariance += np.diag((np.array(list(TYPICAL_SPREAD.values())) / 2) ** 2)
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    rows = tuple(tuple(float(f"{value:.6g}") for value in row[: number + 1]) for number, row in enumerate(whitening))
    domain = Domain(tuple(float(f"{value:.6g}") for value in mean), rows, LEAST_LIMIT)
    training = np.concatenate([distances(domain, group) for group in groups])
    limit = max(LEAST_LIMIT, _BEYOND_MARGIN * float(np.quantile(training, 0.999)))
    return dataclasses.replace(domain, limit=round(limit, 3))


def distances(domain: Domain, described: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances of images from a domain.

    They are Mahalanobis distances over the square root of the number of statistics.

    Args:
        domain: The training images.
        described: ``(n, 20)`` float64 statistics, from `describe`.

    Returns:
        ``(n,)`` float64 distances; about 1 for training images.
    """
    matrix = np.zeros((len(domain.whitening), len(domain.mean)))
    for number, row in enumerate(domain.whitening):
        matrix[number, : len(row)] = row
    values: NDArray[np.float64] = np.sqrt((((described - np.array(domain.mean)) @ matrix.T) ** 2).mean(axis=1))
    return values


def describe_files(groups: Mapping[str, Sequence[Path]]) -> dict[str, NDArray[np.float64]]:
    """Describe at most `MOST_PER_GROUP` image files of each data set.

    Args:
        groups: Image files of each data set, by its name. Files that cannot be read are left out.

    Returns:
        ``(n, 20)`` float64 statistics of each data set, by its name; data sets without a readable image are left out.
    """
    statistics = {}
    for name, paths in groups.items():
        chosen = sorted(paths)[:: max(1, -(-len(paths) // MOST_PER_GROUP))]
        described = []
        for path in chosen:
            with contextlib.suppress(ImageError, UsageError):
                described.append(describe(read_image(path)))
        if described:
            statistics[name] = np.array(described)
    return statistics
