"""What a model says about one image, and the files that are written of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, ImageError
from crackseg.files import make_folder, write_bytes
from crackseg.geometry import Scale
from crackseg.imaging.codec import mask_pixels, write_png
from crackseg.imaging.drawing import draw_overlay
from crackseg.measurement.crack import CrackMeasurement, measure_cracks
from crackseg.prediction.tiling import TilePlan


class Planner(Protocol):
    """Something that tells how it would cut an image."""

    def plan(self, shape: tuple[int, int]) -> TilePlan:
        """Return how an image of height and width ``shape`` is cut."""


class Measuring:
    """Measures the cracks of one image when first called, and remembers them; unlike a closure it can be pickled.

    Args:
        mask: ``(H, W) bool``.
        image: ``(H, W, 3) uint8`` RGB pixels.
        probability: ``(H, W) float32``, in [0, 1].
        threshold: Probability from which a pixel counts as crack.
        scale: Millimetres per pixel, if known.
    """

    def __init__(
        self,
        mask: NDArray[np.bool_],
        image: NDArray[np.uint8],
        probability: NDArray[np.float32],
        *,
        threshold: float,
        scale: Scale | None,
    ) -> None:
        self._mask, self._image, self._probability = mask, image, probability
        self._threshold, self._scale = threshold, scale
        self._found: tuple[CrackMeasurement, ...] | None = None

    def __call__(self) -> tuple[CrackMeasurement, ...]:
        """Return the components of the mask, largest first."""
        if self._found is None:
            self._found = measure_cracks(
                self._mask,
                scale=self._scale,
                probability=self._probability,
                threshold=self._threshold,
                image=self._image,
            )
        return self._found


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Prediction:
    """What a model says about one image.

    Attributes:
        name: The image's name.
        model: Name of the model.
        threshold: Probability from which a pixel counts as crack.
        image: ``(H, W, 3) uint8`` RGB pixels that were looked at.
        probability: ``(H, W) float32`` crack probability, in [0, 1].
        mask: ``(H, W) bool``, what `crackseg.prediction.tiled.apply_threshold` makes of the probability.
        measure: Measures the mask's components, largest first; see `cracks`.
        scale: Millimetres per pixel, if known.
        classes: ``(H, W) uint8`` class of defect of each pixel of the mask, 0 outside it; None where the model tells
            but one.
        error: Why there is no result; then the arrays are empty.
    """

    name: str
    model: str
    threshold: float
    image: NDArray[np.uint8]
    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    measure: Callable[[], tuple[CrackMeasurement, ...]]
    scale: Scale | None = None
    classes: NDArray[np.uint8] | None = None
    error: CracksegError | None = None

    @property
    def cracks(self) -> tuple[CrackMeasurement, ...]:
        """The mask's components, largest first, measured when that is first asked for."""
        return self.measure()

    @property
    def crack_fraction(self) -> float:
        """Crack pixels over all pixels."""
        return float(np.count_nonzero(self.mask) / self.mask.size) if self.mask.size else 0.0

    def plan_of(self, model: Planner) -> TilePlan:
        """Return how a model cuts the image."""
        return model.plan((self.mask.shape[0], self.mask.shape[1]))

    def overlay(self) -> NDArray[np.uint8]:
        """Return the image with its cracks drawn in: ``(H, W, 3) uint8`` RGB."""
        return draw_overlay(self.image, self.mask)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the arrays, ready for JSON."""
        told = {
            "image": self.name,
            "height_px": int(self.mask.shape[0]),
            "width_px": int(self.mask.shape[1]),
            "model": self.model,
            "threshold": self.threshold,
            "scale_mm_per_px": None if self.scale is None else self.scale.mm_per_px,
            "scale_source": None if self.scale is None else self.scale.source,
            "scale_uncertainty": None if self.scale is None else self.scale.uncertainty,
            "crack_area_px": int(np.count_nonzero(self.mask)),
            "crack_fraction": self.crack_fraction,
            "cracks": [crack.to_dict() for crack in self.cracks],
        }
        if self.classes is not None:
            areas_px = np.bincount(self.classes.ravel())
            told["class_area_px"] = {str(number): int(area) for number, area in enumerate(areas_px) if number and area}
        return told

    def save(self, folder: str | os.PathLike[str], *, probability: bool = False) -> None:
        """Write STEM_mask.png (0/255), STEM_overlay.png and STEM.json into a folder, which is made if missing.

        Of a model that tells several classes of defect also STEM_classes.png, the number of the class in each pixel.

        Args:
            folder: Where to.
            probability: Also write STEM_probability.png, 16 bit, 65535 being 1.

        Raises:
            CracksegError: If this result is an error, or a file cannot be written.
        """
        if self.error is not None:
            raise self.error
        out = make_folder(Path(folder))
        stem = Path(self.name).stem
        with ThreadPoolExecutor(max_workers=1) as pool:
            # The overlay takes as long as measuring; its encoder leaves the interpreter to others meanwhile.
            overlay = pool.submit(lambda: write_png(out / f"{stem}_overlay.png", self.overlay(), compression=1))
            write_png(out / f"{stem}_mask.png", mask_pixels(self.mask), compression=1)
            if self.classes is not None:
                write_png(out / f"{stem}_classes.png", self.classes)
            if probability:
                write_png(out / f"{stem}_probability.png", np.rint(self.probability * 65535).astype(np.uint16))
            overlay.result()
        write_bytes(out / f"{stem}.json", (json.dumps(self.to_dict(), indent=2) + "\n").encode())


class TooLargeError(ImageError):
    """An image that is only predicted tile by tile, by `crackseg.prediction.streaming.predict_streamed`."""


def failed_prediction(name: str, model: str, error: CracksegError) -> Prediction:
    """Return the result of an image for which there is none."""
    empty = np.zeros((0, 0))
    return Prediction(
        name=name,
        model=model,
        threshold=float("nan"),
        image=np.zeros((0, 0, 3), dtype=np.uint8),
        probability=empty.astype(np.float32),
        mask=empty.astype(np.bool_),
        measure=tuple,
        error=error,
    )
