"""What is counted of one image: numbers that add up over images, and nothing else is kept of it."""

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
"""Numbers of one image by name; under 1 KB of them for ``native``, 5 KB for every part."""

HEADLINE_PARTS: tuple[Part, ...] = ("pixels",)
"""What the headline scores need."""


@dataclass(frozen=True, slots=True, eq=False)
class PredictedSample:
    """One image with its truth and what a model says about it.

    Attributes:
        image: ``(H, W, 3) uint8`` RGB pixels.
        true: ``(H, W) bool`` true mask.
        probability: ``(H, W) float32`` crack probability, in [0, 1].
        predicted: ``(H, W) bool`` predicted mask.
        resized: The probability and the true mask at the size of protocol ``resize512``, if it is asked for.
        classes: The predicted and the true ``(H, W) uint8`` class numbers and how many classes there are, the
            background being one, if they are asked for.
    """

    image: NDArray[np.uint8]
    true: Mask
    probability: NDArray[np.float32]
    predicted: Mask
    resized: tuple[NDArray[np.float32], Mask] | None = None
    classes: tuple[NDArray[np.uint8], NDArray[np.uint8], int] | None = None


def count_image(judged: PredictedSample, parts: Collection[Part]) -> ImageCounts:
    """Count what some parts of the protocols need of one image."""
    counted: dict[str, float | NDArray[np.generic]] = {"images": 1}
    if "pixels" in parts:
        counted |= _pixels(judged.predicted, judged.true)
    if "shapes" in parts:
        counted |= _shapes(judged.predicted, judged.true)
    if "sizes" in parts:
        counted |= _sizes(judged.predicted, judged.true)
    if "lines" in parts:
        counted |= _lines(judged.predicted, judged.true)
    if "curve" in parts:
        crack, background = count_cells(judged.probability, judged.true)
        counted["probability_crack"] = crack.astype(np.int32)
        counted["probability_background"] = background.astype(np.int32)
    if judged.resized is not None:
        counted |= _sweep(*judged.resized)
    if judged.classes is not None:
        counted |= count_classes(*judged.classes)
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
    """Compare the cracks' total length, and their mean width where both masks tell one."""
    (called_length, called_width), (crack_length, crack_width) = _measured(predicted), _measured(true)
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


def _measured(mask: Mask) -> tuple[float, float | None]:
    """Return the length of all cracks together, and their mean width weighted by length; None where none is told."""
    cracks = measure_cracks(mask)
    told = [(crack.length_px, crack.width_mean_px) for crack in cracks if crack.width_mean_px is not None]
    length = sum(length for length, _ in told)
    width = sum(length * width for length, width in told) / length if length else None
    return sum(crack.length_px for crack in cracks), width


def _lines(predicted: Mask, true: Mask) -> ImageCounts:
    pairs = (predicted, skeletonise(predicted)), (true, skeletonise(true))
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
