"""Count the pixels, components and centrelines of one predicted image."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.measurement.crack import measure_cracks
from crackseg.measurement.skeleton import skeletonise
from crackseg.metrics.boundary import count_boundary
from crackseg.metrics.centreline import CentrelineCounts
from crackseg.metrics.classes import count_classes
from crackseg.metrics.components import ComponentCounts
from crackseg.metrics.counts import Counts
from crackseg.metrics.curve import count_cells
from crackseg.metrics.protocols import LINE_TOLERANCE_PX, TOLERANCE_PX, Part
from crackseg.metrics.scores import TOLERANCES_PX
from crackseg.metrics.sweep import ThresholdSweep
from crackseg.metrics.tolerance import within

Mask = NDArray[np.bool_]
ImageCounts = Mapping[str, float | NDArray[np.generic]]
"""Counts of one image by name: under 1 KB for ``native``, 5 KB for every part."""

HEADLINE_PARTS: tuple[Part, ...] = ("pixels",)
"""Parts that the headline scores need."""


@dataclass(frozen=True, slots=True, eq=False)
class PredictedSample:
    """Image with its true mask and its prediction.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB image.
        true: ``(H, W)`` bool true mask.
        probability: ``(H, W)`` float32 crack probability, in [0, 1].
        predicted: ``(H, W)`` bool predicted mask.
        resized: ``(512, 512)`` float32 probability and bool true mask for the part ``sweep``, if it is counted.
        classes: ``(H, W)`` uint8 predicted and true class numbers, and the number of classes with the background, for
            the part ``classes``, if it is counted.
    """

    image: NDArray[np.uint8]
    true: Mask
    probability: NDArray[np.float32]
    predicted: Mask
    resized: tuple[NDArray[np.float32], Mask] | None = None
    classes: tuple[NDArray[np.uint8], NDArray[np.uint8], int] | None = None


def count_image(sample: PredictedSample, parts: Collection[Part]) -> ImageCounts:
    """Count the parts of the protocols in one image.

    Example:
        >>> mask = np.eye(4, dtype=np.bool_)
        >>> image = np.zeros((4, 4, 3), np.uint8)
        >>> counts = count_image(PredictedSample(image, mask, mask.astype(np.float32), mask), {"pixels"})
        >>> counts["true_positive"], counts["false_positive"]
        (4, 0)
    """
    counted: dict[str, float | NDArray[np.generic]] = {"images": 1}
    if "pixels" in parts:
        counted |= _pixels(sample.predicted, sample.true)
    if "shapes" in parts:
        counted |= _shapes(sample.predicted, sample.true)
    if "sizes" in parts:
        counted |= _sizes(sample.predicted, sample.true)
    if "lines" in parts:
        counted |= _lines(sample.predicted, sample.true)
    if "curve" in parts:
        crack, background = count_cells(sample.probability, sample.true)
        counted["probability_crack"] = crack.astype(np.int32)
        counted["probability_background"] = background.astype(np.int32)
    if sample.resized is not None:
        counted |= _sweep(*sample.resized)
    if sample.classes is not None:
        counted |= count_classes(*sample.classes)
    return counted


def _pixels(predicted: Mask, true: Mask) -> ImageCounts:
    counts = Counts.of(predicted, true)
    defined = not math.isnan(counts.f1)
    clean = not (counts.true_positive or counts.false_negative)
    near = [(predicted & within(true, px), true & within(predicted, px)) for px in TOLERANCES_PX]
    return {
        **dataclasses.asdict(counts),
        "called_near": np.array([np.count_nonzero(called) for called, _ in near]),
        "crack_near": np.array([np.count_nonzero(crack) for _, crack in near]),
        "image_f1": counts.f1 if defined else 0.0,
        "image_iou": counts.iou if defined else 0.0,
        "image_f1_defined": int(defined),
        "clean_images": int(clean),
        "clean_px": true.size if clean else 0,
        "clean_called_px": counts.false_positive if clean else 0,
        "clean_alarmed": int(clean and counts.false_positive > 0),
    }


def _shapes(predicted: Mask, true: Mask) -> ImageCounts:
    outline = count_boundary(predicted, true, tolerance_px=TOLERANCE_PX)
    return {
        "called_boundary": outline.predicted,
        "called_boundary_near": outline.predicted_near,
        "crack_boundary": outline.true,
        "crack_boundary_near": outline.true_near,
        **dataclasses.asdict(ComponentCounts.of(predicted, true, tolerance_px=TOLERANCE_PX)),
    }


def _sizes(predicted: Mask, true: Mask) -> ImageCounts:
    """Compare total lengths, and mean widths where both masks have one."""
    (called_length, called_width), (crack_length, crack_width) = _measure(predicted), _measure(true)
    both = called_width is not None and crack_width is not None
    bias = (called_width or 0.0) - (crack_width or 0.0) if both else 0.0
    return {
        "called_length_px": called_length,
        "crack_length_px": crack_length,
        "length_error_px": abs(called_length - crack_length),
        "width_images": int(both),
        "width_error_px": abs(bias),
        "width_bias_px": bias,
    }


def _measure(mask: Mask) -> tuple[float, float | None]:
    """Return the total length and the length-weighted mean width of the cracks."""
    cracks = measure_cracks(mask)
    measured = [(crack.length_px, crack.width_mean_px) for crack in cracks if crack.width_mean_px is not None]
    length = sum(length for length, _ in measured)
    width = sum(length * width for length, width in measured) / length if length else None
    return sum(crack.length_px for crack in cracks), width


def _lines(predicted: Mask, true: Mask) -> ImageCounts:
    pairs = ((mask, skeletonise(mask, east_first=True)) for mask in (predicted, true))
    return dataclasses.asdict(CentrelineCounts.of(*pairs, tolerance_px=LINE_TOLERANCE_PX))


def _sweep(probability: NDArray[np.float32], true: Mask) -> ImageCounts:
    sweep = ThresholdSweep.of(probability, true)
    f1 = sweep.f1().astype(np.float32)
    return {
        "swept_hits": sweep.hits.astype(np.int32),
        "swept_called": sweep.called.astype(np.int32),
        "swept_crack": sweep.crack,
        "swept_f1": f1,
        "swept_f1_best": f1.max(keepdims=True),
        "swept_mean_iou": sweep.mean_iou().astype(np.float32),
    }
