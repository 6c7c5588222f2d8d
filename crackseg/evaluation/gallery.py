"""The worst images of an evaluation, drawn: hit, missed and false pixels each in a colour of their own."""

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
"""RGB of crack called crack, crack not called, and background called crack; told apart by colour-blind readers too."""

KEPT = 24
"""Images of which figures are kept."""
_SIDE_PX = 512


@dataclass(frozen=True, slots=True, eq=False)
class ErrorFigure:
    """An image and where a model is right and wrong about it.

    Attributes:
        name: The image's name.
        group: Its data set.
        f1: F1 of this image alone.
        wrong_px: Missed and false pixels.
        photo: The image as JPEG.
        errors: The image with its hit, missed and false pixels drawn in, as JPEG.
    """

    name: str
    group: str
    f1: float
    wrong_px: int
    photo: bytes
    errors: bytes


class Gallery:
    """Keeps figures of the worst images it is shown: lowest F1 first, of equal ones that with more wrong pixels.

    Args:
        kept: How many.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._heap: list[tuple[float, int, int, ErrorFigure]] = []
        self._order = itertools.count()

    def add(self, sample: Sample, judged: PredictedSample) -> None:
        """Look at an image, and keep it if it is among the worst so far."""
        counts = Counts.of(judged.predicted, judged.true)
        wrong = counts.false_positive + counts.false_negative
        goodness = -counts.f1
        if not wrong or (len(self._heap) == self._kept and (goodness, wrong) <= self._heap[0][:2]):
            return
        picture = ErrorFigure(
            name=display_text(sample.image.name),
            group=display_text(sample.group),
            f1=counts.f1,
            wrong_px=wrong,
            photo=encode_jpeg(shrink(judged.image)),
            errors=encode_jpeg(draw_errors(judged.image, judged.predicted, judged.true)),
        )
        heapq.heappush(self._heap, (goodness, wrong, -next(self._order), picture))
        if len(self._heap) > self._kept:
            heapq.heappop(self._heap)

    def worst_first(self) -> tuple[ErrorFigure, ...]:
        """Return what was kept."""
        return tuple(entry[-1] for entry in sorted(self._heap, key=lambda entry: entry[:3], reverse=True))


def draw_errors(image: NDArray[np.uint8], predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw hit, missed and false pixels over a pale grey image, shrunk so that no thin error is lost.

    Args:
        image: ``(H, W, 3)`` RGB pixels.
        predicted: ``(H, W)`` predicted mask.
        true: ``(H, W)`` true mask.

    Returns:
        ``(h, w, 3)`` RGB pixels, the longer side at most 512 px.
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
    """Return an ``(H, W, 3)`` image with its longer side at most 512 px."""
    height, width = image.shape[:2]
    factor = min(1.0, _SIDE_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return ``(H, W, 3)`` RGB pixels as a JPEG file.

    Raises:
        OutputError: If they cannot be encoded.
    """
    # Colour at full resolution, or lines one pixel wide fade.
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), quality)
    if not done:
        raise OutputError(f"cannot encode pixels of shape {pixels.shape} as JPEG")
    return data.tobytes()
