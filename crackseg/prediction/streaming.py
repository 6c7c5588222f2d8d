"""Predict, measure and write images that are too large for memory, band by band."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import UsageError, display_text
from crackseg.files import make_folder, replacing, scratch_file, write_bytes
from crackseg.geometry import Region, Scale, ScaleSource, as_scale_source
from crackseg.imaging.codec import ImageSource, write_png
from crackseg.imaging.drawing import draw_overlay
from crackseg.imaging.tiff import TILE_PX, TiffWriter
from crackseg.measurement.crack import CrackMeasurement
from crackseg.measurement.joining import JoinedMask, MaskJoiner, Surroundings, measure_joined
from crackseg.prediction.model import Model
from crackseg.prediction.result import crack_rows, describe_scale, summarise
from crackseg.prediction.scales import iter_fused_bands, with_smaller_limits
from crackseg.prediction.tiled import TileLimits, iter_bands, with_smaller_tiles
from crackseg.prediction.tiling import TilePlan
from crackseg.prediction.tta import averaged
from crackseg.runtimes.predictor import room_of

STREAM_MEMORY_GIB = 0.55
"""Default memory for one tile in the network, in GiB; the whole process then stays below 1.5 GB."""

OVERLAY_SIDE_PX = 4096
"""Largest side of an overlay; a larger image is shrunk for it."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StreamedPrediction:
    """The cracks of an image that was never in memory as a whole.

    Attributes:
        name: Name of the image.
        model: Name of the model.
        terms: What the licences of the model's training data ask of its users.
        threshold: Probability from which a pixel counts as crack, in (0, 1].
        shape: Image height and width ``(H, W)``, in pixels.
        crack_area_px: Area of the cracks, in pixels.
        cracks: Measured cracks, largest first.
        overlay_factor: Side of the image over the side of the overlay.
        plan: Tiles in which the network computed the image.
        scale: Millimetres per pixel, if known.
    """

    name: str
    model: str
    terms: str
    threshold: float
    shape: tuple[int, int]
    crack_area_px: int
    cracks: tuple[CrackMeasurement, ...]
    overlay_factor: int
    plan: TilePlan
    scale: Scale | None = None

    @property
    def crack_fraction(self) -> float:
        """Share of crack pixels, in [0, 1]."""
        return self.crack_area_px / (self.shape[0] * self.shape[1])

    def __repr__(self) -> str:
        return f"StreamedPrediction({summarise(self.name, self.cracks, self.crack_fraction)})"

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per crack, for a data frame."""
        return crack_rows(self.name, self.cracks)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields but the plan, ready for JSON."""
        return {
            "image": self.name,
            "height_px": self.shape[0],
            "width_px": self.shape[1],
            "model": self.model,
            "terms": self.terms,
            "threshold": self.threshold,
            **describe_scale(self.scale),
            "crack_area_px": self.crack_area_px,
            "crack_fraction": self.crack_fraction,
            "overlay_factor": self.overlay_factor,
            "cracks": [crack.to_dict() for crack in self.cracks],
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """The result of one pass of the network over an image: mask, probability on disk, and tiles."""

    mask: JoinedMask
    probability: TiffWriter
    plan: TilePlan


def predict_streamed(
    image: ImageSource,
    model: Model,
    target: Path,
    *,
    threshold: float | None = None,
    scale: float | ScaleSource | None = None,
    keep_probability: bool = False,
) -> StreamedPrediction:
    """Find the cracks of an image of any size in bounded memory.

    Writes STEM_mask.tif (0/255, in tiles), STEM_overlay.png (longer side at most `OVERLAY_SIDE_PX`) and STEM.json, each
    whole or not at all. Cracks are joined across the bands and measured. Only the memory for the cracks grows with the
    image.

    Args:
        image: The image.
        model: The model.
        target: Output folder, made if missing, with the image's name, whose stem names the files.
        threshold: Probability from which a pixel counts as crack, in (0, 1]; the model's own if None.
        scale: Millimetres per pixel, or a `Scale`; None if unknown.
        keep_probability: Also write STEM_probability.tif, 16 bit, where 65535 is a probability of 1.

    Raises:
        UsageError: If the threshold is outside (0, 1], the tiles are too small, or the scale comes from markers.
        ImageError: If the image cannot be read, or the mask is not one of cracks.
        ModelError: If the network returns NaN or infinity, or finds no memory for any tile.
        OutputError: If a file cannot be written.
    """
    cut, source = model.threshold(threshold), as_scale_source(scale)
    known = None if source is None else source.fixed
    if source is not None and known is None:
        raise UsageError("too large to search for markers", where=target.name, hint="give --scale")
    out, stem = make_folder(target.parent), target.stem
    with contextlib.ExitStack() as stack:
        if keep_probability:
            path = stack.enter_context(replacing(out / f"{stem}_probability.tif"))
            file: BinaryIO = stack.enter_context(path.open("w+b"))
        else:
            file = stack.enter_context(scratch_file(out))
        network_pass = _run_network(image, model, cut, file)
        around = Surroundings(
            image=image.read,
            probability=lambda region: np.float32(1 / 65535) * network_pass.probability.read(region),
            threshold=cut,
            scale=known,
        )
        cracks = measure_joined(network_pass.mask, around)
    factor = _write_images(image, network_pass.mask, out, stem)
    result = StreamedPrediction(
        name=display_text(target.name),
        model=model.card.name,
        terms=model.card.terms,
        threshold=cut,
        shape=image.shape,
        crack_area_px=network_pass.mask.area_px,
        cracks=cracks,
        overlay_factor=factor,
        plan=network_pass.plan,
        scale=known,
    )
    write_bytes(out / f"{stem}.json", (json.dumps(result.to_dict(), indent=2) + "\n").encode())
    return result


def _run_network(image: ImageSource, model: Model, threshold: float, file: BinaryIO) -> _Pass:
    """Run the network over the image and write its probability into ``file``."""
    predictor = averaged(model.predictor, model.tta)
    stated = model.memory_stated or room_of(predictor)
    limits = model.limits if stated else TileLimits(model.tile_size, STREAM_MEMORY_GIB)

    def write(bands: Iterable[tuple[int, NDArray[np.float32]]], plan: TilePlan) -> _Pass:
        file.seek(0)
        file.truncate()
        joiner = MaskJoiner(image.shape[1], threshold=threshold, low=model.hysteresis)
        with TiffWriter(file, image.shape, np.uint16) as writer:
            for _, band in bands:
                joiner.add(band)
                for start in range(0, len(band), TILE_PX):
                    writer.write(np.rint(band[start : start + TILE_PX] * 65535).astype(np.uint16))
        return _Pass(joiner.finish(), writer, plan)

    if model.tta == "scales":
        return with_smaller_limits(
            lambda limits: write(iter_fused_bands(image, predictor, limits), limits.plan(image.shape, predictor)),
            image,
            predictor,
            limits,
        )
    return with_smaller_tiles(
        lambda plan, batch: write(iter_bands(image, predictor, plan, batch=batch), plan),
        image.shape,
        predictor,
        limits,
    )


def _write_images(image: ImageSource, mask: JoinedMask, out: Path, stem: str) -> int:
    """Write mask and overlay, and return the overlay's reduction factor."""
    factor = 1
    while max(image.shape) > factor * OVERLAY_SIDE_PX and factor < TILE_PX:
        factor *= 2
    small, small_mask = [], []
    with (
        replacing(out / f"{stem}_mask.tif") as path,
        path.open("wb") as file,
        TiffWriter(file, image.shape, np.uint8) as writer,
    ):
        for pixels, crack in _bands(image, mask):
            writer.write(crack.view(np.uint8) * np.uint8(255))
            small.append(_shrink(pixels, factor))
            small_mask.append(_pool_any(crack, factor))
    write_png(
        out / f"{stem}_overlay.png", draw_overlay(np.concatenate(small), np.concatenate(small_mask)), compression=1
    )
    return factor


def _bands(image: ImageSource, mask: JoinedMask) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    row0 = 0
    for crack in mask.bands(TILE_PX):
        yield image.read(Region(row0, 0, row0 + len(crack), image.shape[1])), crack
        row0 += len(crack)


def _shrink(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return the means of squares of ``factor`` pixels, clipped at the edges.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB pixels.
        factor: Side of a square, in pixels.
    """
    if factor == 1:
        return pixels
    size = -(-pixels.shape[1] // factor), -(-pixels.shape[0] // factor)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _pool_any(mask: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    """Return which squares of ``factor`` pixels hold a crack.

    Args:
        mask: ``(H, W)`` bool crack mask.
        factor: Side of a square, in pixels.
    """
    rows = np.logical_or.reduceat(mask, np.arange(0, mask.shape[0], factor), axis=0)
    return np.logical_or.reduceat(rows, np.arange(0, mask.shape[1], factor), axis=1)
