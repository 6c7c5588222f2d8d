"""Hold, describe and save what a model predicts for one image."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crackseg.errors import CracksegError, ImageError, display_text
from crackseg.files import make_folder, write_bytes
from crackseg.geometry import Scale
from crackseg.imaging.codec import encode_png, mask_pixels, write_png
from crackseg.imaging.drawing import draw_overlay
from crackseg.measurement.crack import CrackMeasurement, measure_cracks
from crackseg.prediction.tiling import TilePlan


class TooLargeError(ImageError):
    """An image that is only predicted tile by tile, by `crackseg.prediction.streaming.predict_streamed`."""


@dataclass(frozen=True, repr=False, eq=False, kw_only=True)
class Prediction:
    """The cracks of one image.

    Attributes:
        name: Name of the image.
        model: Name of the model.
        terms: What the licences of the model's training data ask of its users.
        threshold: Probability from which a pixel counts as crack, in (0, 1].
        image: ``(H, W, 3)`` uint8 RGB pixels.
        probability: ``(H, W)`` float32 crack probability, in [0, 1].
        mask: ``(H, W)`` bool crack mask.
        plan: Tiles in which the network computed the image.
        scale: Millimetres per pixel, if known.
        classes: ``(H, W)`` uint8 defect class of each mask pixel, 0 outside the mask; None for a model without classes.
        error: Always None; see `PredictionFailure`.
    """

    name: str
    model: str
    terms: str
    threshold: float
    image: NDArray[np.uint8]
    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    plan: TilePlan
    scale: Scale | None = None
    classes: NDArray[np.uint8] | None = None
    error: ClassVar[None] = None

    @cached_property
    def cracks(self) -> tuple[CrackMeasurement, ...]:
        """Measured cracks, largest first; measured on first use."""
        return measure_cracks(
            self.mask, scale=self.scale, probability=self.probability, threshold=self.threshold, image=self.image
        )

    @property
    def crack_fraction(self) -> float:
        """Share of crack pixels, in [0, 1]."""
        return float(np.count_nonzero(self.mask) / self.mask.size)

    def __repr__(self) -> str:
        return f"Prediction({summarise(self.name, self.cracks, self.crack_fraction)})"

    def overlay(self) -> NDArray[np.uint8]:
        """Return the image with its cracks drawn, as ``(H, W, 3)`` uint8 RGB pixels."""
        return draw_overlay(self.image, self.mask)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the arrays, ready for JSON."""
        values = {
            "image": self.name,
            "height_px": int(self.mask.shape[0]),
            "width_px": int(self.mask.shape[1]),
            "model": self.model,
            "terms": self.terms,
            "threshold": self.threshold,
            **describe_scale(self.scale),
            "crack_area_px": int(np.count_nonzero(self.mask)),
            "crack_fraction": self.crack_fraction,
            "cracks": [crack.to_dict() for crack in self.cracks],
        }
        if self.classes is not None:
            areas_px = np.bincount(self.classes.ravel())
            values["class_area_px"] = {
                str(number): int(area) for number, area in enumerate(areas_px) if number and area
            }
        return values

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per crack, for a data frame.

        Each row holds the name of the image, the number of the crack from 1, and its measurements.

        Examples:
            >>> import crackseg, data_gen
            >>> wall = data_gen.generate_sample(data_gen.Recipe(size=128), seed=0, index=0).image
            >>> rows = crackseg.load_model().predict(wall, name="wall.png").rows()
            >>> [(row["image"], row["crack"]) for row in rows]
            [('wall.png', 1), ('wall.png', 2), ('wall.png', 3)]
        """
        return crack_rows(self.name, self.cracks)

    def _repr_png_(self) -> bytes:
        """Return the overlay as PNG, which a notebook shows."""
        return encode_png(self.overlay(), compression=1)

    def save(self, folder: str | os.PathLike[str], *, probability: bool = False) -> None:
        """Write mask, overlay and measurements into a folder.

        The files are STEM_mask.png (0/255), STEM_overlay.png and STEM.json. A model with several classes of defect adds
        STEM_classes.png, which holds the class number of each pixel.

        Args:
            folder: Output folder; it is made if missing.
            probability: Also write STEM_probability.png, 16 bit, where 65535 is a probability of 1.

        Raises:
            OutputError: If a file cannot be written.

        Examples:
            >>> import crackseg, pathlib, tempfile, numpy as np
            >>> wall = np.full((64, 96, 3), 170, np.uint8)
            >>> result = crackseg.load_model().predict(wall, name="wall.png")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     result.save(folder)
            ...     sorted(path.name for path in pathlib.Path(folder).iterdir())
            ['wall.json', 'wall_mask.png', 'wall_overlay.png']
        """
        out = make_folder(Path(folder))
        stem = Path(self.name).stem
        with ThreadPoolExecutor(max_workers=1) as pool:
            # The overlay takes as long as measuring, and its encoder releases the interpreter meanwhile.
            overlay = pool.submit(lambda: write_png(out / f"{stem}_overlay.png", self.overlay(), compression=1))
            write_png(out / f"{stem}_mask.png", mask_pixels(self.mask), compression=1)
            if self.classes is not None:
                write_png(out / f"{stem}_classes.png", self.classes)
            if probability:
                write_png(out / f"{stem}_probability.png", np.rint(self.probability * 65535).astype(np.uint16))
            overlay.result()
        write_bytes(out / f"{stem}.json", (json.dumps(self.to_dict(), indent=2) + "\n").encode())


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class PredictionFailure:
    """An image without a prediction, and the reason.

    Attributes:
        name: Name of the image.
        error: The reason.
    """

    name: str
    error: CracksegError

    def __repr__(self) -> str:
        return f"PredictionFailure({self.name!r}, {str(self.error)!r})"

    def to_dict(self) -> dict[str, Any]:
        """Return name and reason, ready for JSON."""
        return {"image": display_text(self.name), "error": str(self.error)}


PredictionResult: TypeAlias = Prediction | PredictionFailure
"""A prediction, whose ``error`` is None, or the failure of one."""


def summarise(name: str, cracks: tuple[CrackMeasurement, ...], fraction: float) -> str:
    """Return a result in a few words, such as ``'wall.png', 8 cracks, 1.41 %``."""
    count = f"{len(cracks)} crack" if len(cracks) == 1 else f"{len(cracks)} cracks"
    return f"{name!r}, {count}, {100 * fraction:.2f} %"


def describe_scale(scale: Scale | None) -> dict[str, Any]:
    """Return the fields of a scale, None if it is unknown."""
    return {
        "scale_mm_per_px": None if scale is None else scale.mm_per_px,
        "scale_source": None if scale is None else scale.source,
        "scale_uncertainty": None if scale is None else scale.uncertainty,
    }


def crack_rows(name: str, cracks: tuple[CrackMeasurement, ...]) -> list[dict[str, Any]]:
    """Return one flat row per crack, with image name and crack number.

    The other columns are those of `CrackMeasurement.to_row`; numbers start at 1.
    """
    return [{"image": name, "crack": number, **crack.to_row()} for number, crack in enumerate(cracks, 1)]
