"""Draw the worst images of an evaluation, with hit, missed and false pixels in colour."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.samples import Sample
from crackseg.errors import OutputError, display_text
from crackseg.evaluation.counting import PredictedSample
from crackseg.metrics.counts import Counts

HIT, MISSED, FALSE = (0, 200, 140), (255, 190, 0), (235, 20, 130)
"""RGB colours of true positive, false negative and false positive pixels, chosen for colour-blind readers too."""

KEPT = 24
"""Number of figures that a gallery keeps."""
_SIDE_PX = 512


@dataclass(frozen=True, slots=True, eq=False)
class ErrorFigure:
    """Image with the hits and errors of a model.

    Attributes:
        name: Name of the image file.
        group: Name of the data set.
        f1: F1 of this image.
        wrong_px: Number of missed and false pixels.
        image: JPEG file of the image.
        errors: JPEG file of the image with its hit, missed and false pixels.
    """

    name: str
    group: str
    f1: float
    wrong_px: int
    image: bytes
    errors: bytes


class Gallery:
    """Figures of the worst images: lowest F1 first, then most wrong pixels.

    Args:
        kept: Number of figures to keep.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._heap: list[tuple[float, int, int, ErrorFigure]] = []
        self._order = itertools.count()

    def add(self, sample: Sample, prediction: PredictedSample) -> None:
        """Draw an image if it is among the worst so far."""
        counts = Counts.of(prediction.predicted, prediction.true)
        wrong = counts.false_positive + counts.false_negative
        goodness = -counts.f1
        if not wrong or (len(self._heap) == self._kept and (goodness, wrong) <= self._heap[0][:2]):
            return
        drawn = ErrorFigure(
            name=display_text(sample.image.name),
            group=display_text(sample.group),
            f1=counts.f1,
            wrong_px=wrong,
            image=encode_jpeg(shrink(prediction.image)),
            errors=encode_jpeg(draw_errors(prediction.image, prediction.predicted, prediction.true)),
        )
        heapq.heappush(self._heap, (goodness, wrong, -next(self._order), drawn))
        if len(self._heap) > self._kept:
            heapq.heappop(self._heap)

    def worst_first(self) -> tuple[ErrorFigure, ...]:
        """Return the figures, worst first."""
        return tuple(entry[-1] for entry in sorted(self._heap, key=lambda entry: entry[:3], reverse=True))


def draw_errors(image: NDArray[np.uint8], predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw hit, missed and false pixels over a pale grey image.

    The image is shrunk in a way that keeps errors of one pixel visible.

    Args:
        image: ``(H, W, 3)`` uint8 RGB image.
        predicted: ``(H, W)`` bool predicted mask.
        true: ``(H, W)`` bool true mask.

    Returns:
        ``(h, w, 3)`` uint8 RGB image whose longer side is at most 512 px.
    """
    small = shrink(image)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    drawn = np.repeat(np.rint(0.6 * grey + 80).astype(np.uint8)[..., None], 3, axis=2)
    for pixels, colour in ((predicted & true, HIT), (true & ~predicted, MISSED), (predicted & ~true, FALSE)):
        factor = drawn.shape[0] / pixels.shape[0]
        cover = cv2.resize(pixels.astype(np.float32), (drawn.shape[1], drawn.shape[0]), interpolation=cv2.INTER_AREA)
        drawn[cover > min(0.25, factor / 2)] = colour
    return drawn


def shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink an ``(H, W, 3)`` uint8 image to at most 512 px a side."""
    height, width = image.shape[:2]
    factor = min(1.0, _SIDE_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return an ``(H, W, 3)`` uint8 RGB image as a JPEG file.

    Raises:
        OutputError: If the image cannot be encoded.
    """
    # Subsampled colour would fade lines that are one pixel wide.
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    encoded, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), quality)
    if not encoded:
        raise OutputError(f"cannot encode an image of shape {pixels.shape} as JPEG")
    return data.tobytes()
