"""From an image to a probability, a mask and measured cracks, at the image's own size."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crackseg.averaging import TtaName
from crackseg.card import ModelCard
from crackseg.class_map import predict_classes
from crackseg.drawing import draw_overlay
from crackseg.errors import CracksegError, ImageError, UsageError, display_text
from crackseg.files import make_folder, write_bytes
from crackseg.geometry import Scale
from crackseg.grouping import Grouping
from crackseg.images import (
    MAX_PIXELS,
    decode_image,
    mask_pixels,
    read_image,
    rgb_from_array,
    rgb_from_pil,
    write_png,
)
from crackseg.machine import usable_cores
from crackseg.measurement.crack import CrackMeasurement, measure_cracks
from crackseg.probability import TileLimits, find_mask
from crackseg.probability import predict_probability as predict_probability
from crackseg.reading import ReadImage, name_of, read_ahead
from crackseg.runtimes.predictor import Predictor, room_of
from crackseg.tiff import TiffImage
from crackseg.tiling import TilePlan

if TYPE_CHECKING:
    from PIL import Image

    from crackseg.measurement.scale import Marker

DEFAULT_TILE_PX = 2048
"""Largest side of a tile for callers that want one and the same whatever the image."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Prediction:
    """What a model says about one image.

    Attributes:
        name: The image's name.
        model: Name of the model.
        threshold: Probability from which a pixel counts as crack.
        image: ``(H, W, 3) uint8`` RGB pixels that were looked at.
        probability: ``(H, W) float32`` crack probability, in [0, 1].
        mask: ``(H, W) bool``, what `crackseg.probability.find_mask` makes of the probability.
        cracks: The mask's components, largest first, measured.
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
    cracks: tuple[CrackMeasurement, ...]
    scale: Scale | None = None
    classes: NDArray[np.uint8] | None = None
    error: CracksegError | None = None

    @property
    def crack_fraction(self) -> float:
        """Crack pixels over all pixels."""
        return float(self.mask.mean()) if self.mask.size else 0.0

    def plan_of(self, model: Model) -> TilePlan:
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
            "crack_area_px": int(self.mask.sum()),
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
            # Half of the time of saving is the overlay's; the encoder leaves the interpreter to others meanwhile.
            overlay = pool.submit(lambda: write_png(out / f"{stem}_overlay.png", self.overlay(), compression=1))
            write_png(out / f"{stem}_mask.png", mask_pixels(self.mask))
            if self.classes is not None:
                write_png(out / f"{stem}_classes.png", self.classes)
            if probability:
                write_png(out / f"{stem}_probability.png", np.rint(self.probability * 65535).astype(np.uint16))
            overlay.result()
        write_bytes(out / f"{stem}.json", (json.dumps(self.to_dict(), indent=2) + "\n").encode())


class TooLargeError(ImageError):
    """An image that is only predicted tile by tile, by `crackseg.streaming.predict_streamed`."""


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """What a network says about an image: probability, mask, and the class of each pixel where it tells several."""

    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    classes: NDArray[np.uint8] | None = None


class Model:
    """A network with its card, ready to predict; made by `crackseg.load_model`.

    Args:
        predictor: The network.
        card: What it is.
        tile_size: Largest side of a tile, in pixels.
        memory_gib: Memory that a tile may take in the network, in GiB; see `TileLimits.of` if None.
    """

    def __init__(
        self,
        predictor: Predictor,
        card: ModelCard,
        *,
        tile_size: int | None = None,
        memory_gib: float | None = None,
    ) -> None:
        self.predictor = predictor
        self.card = card
        self.limits = TileLimits.of(predictor, side_px=tile_size, memory_gib=memory_gib)
        self.memory_stated = memory_gib is not None
        self.tta: TtaName = "none"
        self.hysteresis: float | None = None

    @property
    def tile_size(self) -> int | None:
        """Largest side of a tile, in pixels."""
        return self.limits.side_px

    @property
    def memory_gib(self) -> float:
        """Memory that a tile may take in the network, in GiB."""
        return self.limits.memory_gib

    def tuned(self, *, tta: TtaName = "none", hysteresis: float | None = None) -> Model:
        """Return this model, set to answer otherwise.

        Args:
            tta: What its answer is averaged over; see `crackseg.averaging.TtaName`.
            hysteresis: Probability from which a pixel counts that hangs together with one at the threshold.

        Raises:
            UsageError: If ``hysteresis`` is outside (0, 1].
        """
        if hysteresis is not None and not 0 < hysteresis <= 1:
            raise UsageError(f"expected a threshold above 0 and at most 1, got {hysteresis:g}", where="--hysteresis")
        other = copy.copy(self)
        other.tta, other.hysteresis = tta, hysteresis
        return other

    def plan(self, shape: tuple[int, int]) -> TilePlan:
        """Return how an image of height and width ``shape`` is cut.

        Raises:
            UsageError: If no tile is small enough for the limits.
        """
        return self.limits.plan(shape, self.predictor)

    def threshold(self, wanted: float | None = None) -> float:
        """Return the threshold to use: the one asked for, or the model's own.

        Raises:
            UsageError: If it is outside (0, 1].
        """
        threshold = self.card.threshold if wanted is None else wanted
        if not 0 < threshold <= 1:
            raise UsageError(f"expected a threshold above 0 and at most 1, got {threshold:g}")
        return threshold

    def predict(
        self,
        image: str | os.PathLike[str] | bytes | NDArray[Any] | Image.Image,
        *,
        threshold: float | None = None,
        scale: Scale | Marker | None = None,
        name: str | None = None,
    ) -> Prediction:
        """Find the cracks of one image.

        Args:
            image: A path, the bytes of an image file, a PIL image, or an array ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)``
                RGB or ``(H, W, 4)`` RGBA of uint8 or uint16.
            threshold: Probability from which a pixel counts as crack; the model's own if None.
            scale: Millimetres per pixel, if known, or the markers in the image that tell.
            name: The image's name in the result; the file's name, or "image", if None.

        Returns:
            Mask, probability and measured cracks, at the image's own size.

        Raises:
            UsageError: If there is no such file, or the array is no image, or the threshold is outside (0, 1].
            ImageError: If the file cannot be decoded, or no marker is found.
            ModelError: If the network answers with anything but finite numbers.
        """
        threshold = self.threshold(threshold)
        title = name if name is not None else name_of(image)
        pixels = _pixels_of(image, title)
        known = scale if scale is None or isinstance(scale, Scale) else scale.scale_of(pixels, name=title)
        (probability,) = self._grouping.probabilities([pixels])
        answer = self._answer(pixels, probability, threshold)
        return self._result(pixels, answer, title, threshold=threshold, scale=known)

    @property
    def _grouping(self) -> Grouping:
        return Grouping(self.predictor, self.limits, self.tta)

    def _answer(self, pixels: NDArray[np.uint8], probability: NDArray[np.float32], threshold: float) -> _Answer:
        side_px, memory_gib = self.limits.side_px, self.limits.memory_gib
        mask = find_mask(probability, threshold=threshold, low=self.hysteresis)
        if self.card.classes <= 2:
            return _Answer(probability, mask)
        classes = predict_classes(pixels, mask, self.predictor, self.card, tile_size=side_px, memory_gib=memory_gib)
        return _Answer(probability, mask, classes)

    def _result(
        self,
        pixels: NDArray[np.uint8],
        answer: _Answer,
        name: str,
        *,
        threshold: float,
        scale: Scale | None,
    ) -> Prediction:
        """Return what the network answers, with its cracks measured."""
        probability, mask = answer.probability, answer.mask
        return Prediction(
            name=name,
            model=self.card.name,
            threshold=threshold,
            image=pixels,
            probability=probability,
            mask=mask,
            cracks=measure_cracks(mask, scale=scale, probability=probability, threshold=threshold, image=pixels),
            scale=scale,
            classes=answer.classes,
        )

    def predict_many(
        self,
        images: Iterable[str | os.PathLike[str]],
        *,
        threshold: float | None = None,
        scale: Scale | Marker | None = None,
    ) -> Iterator[Prediction]:
        """Find the cracks of many image files, in their order; the next is read while the network is at work.

        A file that is missing or cannot be read gives a result with ``error`` set; the rest go on.

        Args:
            images: Paths.
            threshold: Probability from which a pixel counts as crack; the model's own if None.
            scale: Millimetres per pixel, if known, or the markers in each image that tell.

        Raises:
            UsageError: If the threshold is outside (0, 1], or the tiles are too small.
            ModelError: If the network answers with anything but finite numbers.
        """
        at_once = usable_cores() if room_of(self.predictor) else 1
        return self.predict_read(read_ahead(images, at_once=at_once), threshold=threshold, scale=scale)

    def predict_read(
        self, images: Iterable[ReadImage], *, threshold: float | None = None, scale: Scale | Marker | None = None
    ) -> Iterator[Prediction]:
        """Do as `predict_many` with images that `read_ahead` began to read before the model was loaded.

        The network is at work on an image while the one before it is measured, and used by whoever asked for it.
        """
        threshold = self.threshold(threshold)
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="crackseg-network")
        found = self._grouping.run(images)

        def compute_next() -> tuple[ReadImage, _Answer | None] | None:
            image, probability = next(found, (None, None))
            if image is None:
                return None
            if probability is None or not isinstance(image.pixels, np.ndarray):
                return image, None
            return image, self._answer(image.pixels, probability, threshold)

        pending = pool.submit(compute_next)
        try:
            while (computed := pending.result()) is not None:
                image, answer = computed
                alone = isinstance(image.pixels, TiffImage)
                if not alone:
                    pending = pool.submit(compute_next)
                yield self._finished(image, answer, threshold, scale)
                if alone:  # whoever asked is at work on it now, and needs the memory
                    pending = pool.submit(compute_next)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _finished(
        self,
        image: ReadImage,
        answer: _Answer | None,
        threshold: float,
        scale: Scale | Marker | None,
    ) -> Prediction:
        if isinstance(image.pixels, TiffImage):
            error = TooLargeError(
                f"holds more than {MAX_PIXELS:,} pixels",
                where=image.name,
                hint="use crackseg predict, or crackseg.streaming.predict_streamed, which write results tile by tile",
            )
            return failed_prediction(image.name, self.card.name, error)
        if isinstance(image.pixels, CracksegError) or answer is None:
            error_or_none = image.pixels if isinstance(image.pixels, CracksegError) else ImageError("has no pixels")
            return failed_prediction(image.name, self.card.name, error_or_none)
        try:
            known = (
                scale if scale is None or isinstance(scale, Scale) else scale.scale_of(image.pixels, name=image.name)
            )
        except ImageError as error:
            return failed_prediction(image.name, self.card.name, error)
        return self._result(image.pixels, answer, image.name, threshold=threshold, scale=known)


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
        cracks=(),
        error=error,
    )


def _pixels_of(image: str | os.PathLike[str] | bytes | NDArray[Any] | Image.Image, name: str) -> NDArray[np.uint8]:
    if isinstance(image, (str, os.PathLike)):
        return read_image(Path(image))
    if isinstance(image, (bytes, bytearray)):
        return decode_image(bytes(image), name=display_text(name))
    if isinstance(image, np.ndarray):
        return rgb_from_array(image, name=display_text(name))
    if hasattr(image, "getexif"):
        return rgb_from_pil(image, name=display_text(name))
    raise UsageError(f"expected a path, bytes, an array or a PIL image, got {type(image).__name__}")
