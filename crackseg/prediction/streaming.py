"""Images that are never in memory as a whole: read, predicted, joined, measured and written band by band."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
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
from crackseg.prediction.tiled import TileLimits, iter_bands, with_smaller_tiles
from crackseg.prediction.tiling import TilePlan
from crackseg.prediction.tta import averaged
from crackseg.runtimes.predictor import room_of

STREAM_MEMORY_GIB = 0.55
"""Memory that a tile may take in the network unless told otherwise, in GiB: all in all that stays below 1.5 GB."""

OVERLAY_SIDE_PX = 4096
"""Largest side of an overlay; a larger image is shrunk for it."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StreamedPrediction:
    """What a model says about an image whose pixels are on disk only.

    Attributes:
        name: The image's name.
        model: Name of the model.
        terms: What the licences of the model's training data ask of its users.
        threshold: Probability from which a pixel counts as crack.
        shape: Height and width, in pixels.
        crack_area_px: Crack pixels.
        cracks: The mask's components, largest first, measured.
        overlay_factor: By how much the overlay is smaller than the image.
        plan: How the image was cut.
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
        """Crack pixels over all pixels."""
        return self.crack_area_px / (self.shape[0] * self.shape[1])

    def __repr__(self) -> str:
        return f"StreamedPrediction({summarise(self.name, self.cracks, self.crack_fraction)})"

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per crack, for a data frame; see `crackseg.prediction.result.crack_rows`."""
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
class _Seen:
    """What one pass of the network over an image leaves: its joined mask, its probability on disk, and its plan."""

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
    """Find the cracks of an image of any size, in memory that does not grow with it but for its cracks.

    Writes STEM_mask.tif (0/255, in tiles), STEM_overlay.png (at most `OVERLAY_SIDE_PX` at its longer side) and
    STEM.json, each whole or not at all. Components are joined across the bands, and measured.

    Args:
        image: The image.
        model: The network.
        target: Folder, made if missing, and the image's name, whose stem names the files.
        threshold: Probability from which a pixel counts as crack; the model's own if None.
        scale: Millimetres per pixel, if known.
        keep_probability: Also write STEM_probability.tif, 16 bit, 65535 being 1.

    Raises:
        UsageError: If the threshold is outside (0, 1], the tiles are too small, or the model averages over scales.
        ImageError: If the image cannot be read, or the mask is not one of cracks.
        ModelError: If the network answers with anything but finite numbers, or finds no memory for any tile.
        OutputError: If a file cannot be written.
    """
    cut, source = model.threshold(threshold), as_scale_source(scale)
    known = None if source is None else source.fixed
    if source is not None and known is None:
        raise UsageError("is too large to look for markers", where=target.name, hint="give --scale")
    if model.tta == "scales":
        raise UsageError(
            "an image this large is not averaged over scales", where="--tta", hint="use flips or rotations"
        )
    out, stem = make_folder(target.parent), target.stem
    with contextlib.ExitStack() as stack:
        if keep_probability:
            path = stack.enter_context(replacing(out / f"{stem}_probability.tif"))
            file: BinaryIO = stack.enter_context(path.open("w+b"))
        else:
            file = stack.enter_context(scratch_file(out))
        seen = _look(image, model, cut, file)
        around = Surroundings(
            image=image.read,
            probability=lambda region: np.float32(1 / 65535) * seen.probability.read(region),
            threshold=cut,
            scale=known,
        )
        cracks = measure_joined(seen.mask, around)
    factor = _write_pictures(image, seen.mask, out, stem)
    result = StreamedPrediction(
        name=display_text(target.name),
        model=model.card.name,
        terms=model.card.terms,
        threshold=cut,
        shape=image.shape,
        crack_area_px=seen.mask.area_px,
        cracks=cracks,
        overlay_factor=factor,
        plan=seen.plan,
        scale=known,
    )
    write_bytes(out / f"{stem}.json", (json.dumps(result.to_dict(), indent=2) + "\n").encode())
    return result


def _look(image: ImageSource, model: Model, threshold: float, file: BinaryIO) -> _Seen:
    """Run the network over the image; its probability goes into ``file``."""
    predictor = averaged(model.predictor, model.tta)
    stated = model.memory_stated or room_of(predictor)
    limits = model.limits if stated else TileLimits(model.tile_size, STREAM_MEMORY_GIB)

    def run(plan: TilePlan, batch: int) -> _Seen:
        file.seek(0)
        file.truncate()
        joiner = MaskJoiner(image.shape[1], threshold=threshold, low=model.hysteresis)
        with TiffWriter(file, image.shape, np.uint16) as writer:
            for _, band in iter_bands(image, predictor, plan, batch=batch):
                joiner.add(band)
                for start in range(0, len(band), TILE_PX):
                    writer.write(np.rint(band[start : start + TILE_PX] * 65535).astype(np.uint16))
        return _Seen(joiner.finish(), writer, plan)

    return with_smaller_tiles(run, image.shape, predictor, limits)


def _write_pictures(image: ImageSource, mask: JoinedMask, out: Path, stem: str) -> int:
    """Write the mask, and the overlay; return by how much that is smaller."""
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
            small.append(_shrunk(pixels, factor))
            small_mask.append(_any(crack, factor))
    write_png(
        out / f"{stem}_overlay.png", draw_overlay(np.concatenate(small), np.concatenate(small_mask)), compression=1
    )
    return factor


def _bands(image: ImageSource, mask: JoinedMask) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    row0 = 0
    for crack in mask.bands(TILE_PX):
        yield image.read(Region(row0, 0, row0 + len(crack), image.shape[1])), crack
        row0 += len(crack)


def _shrunk(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return the means of squares of pixels; those at the edges may be cut."""
    if factor == 1:
        return pixels
    size = -(-pixels.shape[1] // factor), -(-pixels.shape[0] // factor)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _any(mask: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    """Tell which squares of pixels hold a crack."""
    rows = np.logical_or.reduceat(mask, np.arange(0, mask.shape[0], factor), axis=0)
    return np.logical_or.reduceat(rows, np.arange(0, mask.shape[1], factor), axis=1)
