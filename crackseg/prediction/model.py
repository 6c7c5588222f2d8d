"""From an image to a probability, a mask and measured cracks, at the image's own size."""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, ImageError, UsageError, display_text
from crackseg.geometry import Scale, ScaleSource, as_scale_source
from crackseg.imaging.codec import (
    MAX_PIXELS,
    decode_image,
    image_size,
    read_image,
    rgb_from_array,
    rgb_from_pil,
)
from crackseg.imaging.tiff import TiffImage
from crackseg.machine import usable_cores
from crackseg.modelcard.card import ModelCard
from crackseg.parallel import Room, work_in_order
from crackseg.prediction.batching import Grouping
from crackseg.prediction.classes import predict_classes
from crackseg.prediction.read_ahead import ReadImage, name_of, read_ahead, read_one
from crackseg.prediction.result import Measuring, failed_prediction
from crackseg.prediction.result import Prediction as Prediction
from crackseg.prediction.result import TooLargeError as TooLargeError
from crackseg.prediction.tiled import TileLimits, apply_threshold, tile_bytes_of
from crackseg.prediction.tiled import predict_probability as predict_probability
from crackseg.prediction.tiling import TilePlan
from crackseg.prediction.tta import TtaName
from crackseg.runtimes.predictor import Predictor, SplitPredictor, room_of

if TYPE_CHECKING:
    from PIL import Image

_Result = TypeVar("_Result")

DEFAULT_TILE_PX = 2048
"""Largest side of a tile for callers that want one and the same whatever the image."""

_LEAST_SHARE_OF_CORES = 0.75
"""Share of the cores that must find room for an image each, or else all of them compute one image together."""


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

    def with_options(self, *, tta: TtaName = "none", hysteresis: float | None = None) -> Model:
        """Return a copy of this model with other options.

        Args:
            tta: Test-time augmentation: ``none``, ``flips``, ``rotations`` or ``scales``.
            hysteresis: Lower threshold: also keep pixels from this probability on that are connected to a crack.

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
        scale: float | ScaleSource | None = None,
        name: str | None = None,
    ) -> Prediction:
        """Find the cracks of one image.

        Args:
            image: A path, the bytes of an image file, a PIL image, or an array ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)``
                RGB or ``(H, W, 4)`` RGBA of uint8 or uint16.
            threshold: Probability from which a pixel counts as crack; the model's own if None.
            scale: Millimetres per pixel, a `Scale`, or markers in the image that give it; None if unknown.
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
        source = as_scale_source(scale)
        known = None if source is None else source.scale_of(pixels, name=title)
        answer = self._asked(pixels, threshold)
        return self._result(pixels, answer, title, threshold=threshold, scale=known)

    @property
    def _grouping(self) -> Grouping:
        return Grouping(self.predictor, self.limits, self.tta)

    def _asked(self, pixels: NDArray[np.uint8], threshold: float) -> _Answer:
        """Return what the network says of one image."""
        (probability,) = self._grouping.probabilities([pixels])
        return self._answer(pixels, probability, threshold)

    def _answer(self, pixels: NDArray[np.uint8], probability: NDArray[np.float32], threshold: float) -> _Answer:
        side_px, memory_gib = self.limits.side_px, self.limits.memory_gib
        mask = apply_threshold(probability, threshold=threshold, low=self.hysteresis)
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
        """Return what the network answers, with its cracks to be measured."""
        probability, mask = answer.probability, answer.mask
        return Prediction(
            name=name,
            model=self.card.name,
            threshold=threshold,
            image=pixels,
            probability=probability,
            mask=mask,
            measure=Measuring(mask, pixels, probability, threshold=threshold, scale=scale),
            scale=scale,
            classes=answer.classes,
        )

    def predict_many(
        self,
        images: Iterable[str | os.PathLike[str]],
        *,
        threshold: float | None = None,
        scale: float | ScaleSource | None = None,
    ) -> Iterator[Prediction]:
        """Find the cracks of many image files, in their order; those that come next are worked on meanwhile.

        A file that is missing or cannot be read gives a result with ``error`` set; the rest go on.

        Args:
            images: Paths.
            threshold: Probability from which a pixel counts as crack; the model's own if None.
            scale: Millimetres per pixel, a `Scale`, or markers in each image that give it; None if unknown.

        Raises:
            UsageError: If the threshold is outside (0, 1], or the tiles are too small.
            ModelError: If the network answers with anything but finite numbers.
        """
        return self.predict_each(images, _measured, threshold=threshold, scale=scale)

    def predict_each(
        self,
        images: Iterable[str | os.PathLike[str]],
        use: Callable[[Prediction], _Result],
        *,
        threshold: float | None = None,
        scale: float | ScaleSource | None = None,
    ) -> Iterator[_Result]:
        """Do as `predict_many`, and return what ``use`` makes of each result.

        Where an image is one tile and the memory for a tile has room for as many of them as there are cores, or for
        three quarters of that, each core computes an image of its own, from reading it to ``use``. Any other image goes
        through the network alone, with all cores; so do all of a network that cannot be split.

        Args:
            images: Paths.
            use: What to do with each result; called in several threads.
            threshold: As for `predict_many`.
            scale: As for `predict_many`.

        Raises:
            UsageError: As `predict_many` does.
            ModelError: As `predict_many` does.
        """
        paths = iter(images)
        first = list(itertools.islice(paths, 2))
        paths, cores = itertools.chain(first, paths), usable_cores()
        if len(first) > 1 and cores > 1 and self.tta != "scales" and isinstance(self.predictor, SplitPredictor):
            split, source = self._with(self.predictor.one_thread()), as_scale_source(scale)
            each = _EachImage(self, split, cores, self.threshold(threshold), source)
            return work_in_order(paths, lambda path: use(each(path)), threads=cores, together=each.together)
        at_once = cores if room_of(self.predictor) else 1
        return map(use, self.predict_read(read_ahead(paths, at_once=at_once), threshold=threshold, scale=scale))

    def _with(self, predictor: Predictor) -> Model:
        """Return this model over another form of its network."""
        other = copy.copy(self)
        other.predictor = predictor
        return other

    def predict_read(
        self, images: Iterable[ReadImage], *, threshold: float | None = None, scale: float | ScaleSource | None = None
    ) -> Iterator[Prediction]:
        """Do as `predict_many` with images that `read_ahead` began to read before the model was loaded.

        The network is at work on an image while the one before it is measured, and used by whoever asked for it.
        """
        threshold, source = self.threshold(threshold), as_scale_source(scale)
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
                yield self._finished(image, answer, threshold, source)
                if alone:  # whoever asked is at work on it now, and needs the memory
                    pending = pool.submit(compute_next)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _finished(
        self,
        image: ReadImage,
        answer: _Answer | None,
        threshold: float,
        scale: ScaleSource | None,
    ) -> Prediction:
        if isinstance(image.pixels, TiffImage):
            error = TooLargeError(
                f"holds more than {MAX_PIXELS:,} pixels",
                where=image.name,
                hint="use crackseg predict, or crackseg.prediction.streaming.predict_streamed, "
                "which write results tile by tile",
            )
            return failed_prediction(image.name, self.card.name, error)
        if isinstance(image.pixels, CracksegError) or answer is None:
            error_or_none = image.pixels if isinstance(image.pixels, CracksegError) else ImageError("has no pixels")
            return failed_prediction(image.name, self.card.name, error_or_none)
        try:
            known = None if scale is None else scale.scale_of(image.pixels, name=image.name)
        except ImageError as error:
            return failed_prediction(image.name, self.card.name, error)
        return self._result(image.pixels, answer, image.name, threshold=threshold, scale=known)


def _measured(prediction: Prediction) -> Prediction:
    """Return a result whose cracks are measured."""
    prediction.measure()
    return prediction


class _EachImage:
    """Reads, computes and measures one image of many, in whatever thread it is called.

    Args:
        whole: The model, which computes with all cores.
        split: The same, computing with one core for each thread.
        cores: How many there are.
        threshold: Probability from which a pixel counts as crack.
        scale: Millimetres per pixel, if known, or the markers that tell.
    """

    def __init__(self, whole: Model, split: Model, cores: int, threshold: float, scale: ScaleSource | None) -> None:
        self._whole, self._split, self._cores = whole, split, cores
        self._threshold, self._scale = threshold, scale
        self._room = Room(whole.limits.memory_bytes)

    def __call__(self, path: str | os.PathLike[str]) -> Prediction:
        image, answer = read_one(path), None
        if isinstance(image.pixels, np.ndarray):
            share_bytes = self._share_bytes((image.pixels.shape[0], image.pixels.shape[1]))
            model, share_bytes = (self._split, share_bytes) if share_bytes else (self._whole, self._room.size_bytes)
            with self._room.taken(share_bytes):
                answer = model._asked(image.pixels, self._threshold)
        return self._whole._finished(image, answer, self._threshold, self._scale)

    def _share_bytes(self, shape: tuple[int, int]) -> int:
        """Return the memory an image takes if each core computes one of its size; 0 if they compute it together."""
        plan = self._split.plan(shape)
        share_bytes = tile_bytes_of(plan, self._split.predictor)
        at_once = min(self._room.size_bytes // share_bytes, self._cores)
        return share_bytes if len(plan) == 1 and at_once >= _LEAST_SHARE_OF_CORES * self._cores else 0

    def together(self, path: str | os.PathLike[str]) -> int:
        """Return how many images may be under way while one of them is this.

        Two for each core; two, where all cores compute one together; one, where it is too large to be read whole, since
        whoever asked is then at work on it and needs the memory.
        """
        try:
            shape = image_size(Path(path))
        except CracksegError:
            return 1 if Path(path).suffix.lower() in (".tif", ".tiff") else 2 * self._cores
        return 2 * self._cores if self._share_bytes(shape) else 2


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
