"""Where millimetres come from: a scale file, or a marker of known size in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from crackseg.config import Section, load_config
from crackseg.errors import ImageError, UsageError, display_text
from crackseg.geometry import Scale

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_DICTIONARIES = (
    cv2.aruco.DICT_4X4_50,
    cv2.aruco.DICT_5X5_50,
    cv2.aruco.DICT_6X6_50,
    cv2.aruco.DICT_7X7_50,
    cv2.aruco.DICT_ARUCO_ORIGINAL,
    cv2.aruco.DICT_APRILTAG_36h11,
)
_CORNER_PX = 0.5
"""How far a corner of a marker may be off, in pixels."""
_SMALLEST_SIDE_PX = 16.0


class ScaleFile(Section):
    """What a scale file may say: millimetres per pixel, or a known length, or the camera's geometry.

    Attributes:
        mm_per_px: Millimetres per pixel.
        length_mm: A length known in reality, in millimetres.
        length_px: The same length in the picture, in pixels.
        distance_mm: From the camera to the surface, in millimetres; the surface square to the view.
        focal_length_mm: Focal length of the lens (not the 35 mm equivalent), in millimetres.
        pixel_um: Side of a pixel of the sensor, in micrometres; larger by as much as the picture was shrunk.
        uncertainty_percent: By how much the scale may be off, at a confidence of 95 %.
    """

    mm_per_px: _Positive | None = None
    length_mm: _Positive | None = None
    length_px: _Positive | None = None
    distance_mm: _Positive | None = None
    focal_length_mm: _Positive | None = None
    pixel_um: _Positive | None = None
    uncertainty_percent: Annotated[float, Field(ge=0, lt=100)] = 0.0

    @model_validator(mode="after")
    def _one_way(self) -> ScaleFile:
        ways = (
            (self.mm_per_px,),
            (self.length_mm, self.length_px),
            (self.distance_mm, self.focal_length_mm, self.pixel_um),
        )
        given = [way for way in ways if any(value is not None for value in way)]
        if len(given) != 1 or None in given[0]:
            wanted = "mm_per_px, or length_mm with length_px, or distance_mm with focal_length_mm and pixel_um"
            raise ValueError(f"expected either {wanted}")
        return self


def read_scale(path: Path) -> Scale:
    """Read a scale file; see `ScaleFile`.

    Raises:
        ConfigError: If it cannot be read or says too little, too much or something wrong.
    """
    said = load_config(ScaleFile, path)
    name = display_text(path.name)
    if said.mm_per_px is not None:
        value, how = said.mm_per_px, f"{said.mm_per_px:g} mm per pixel"
    elif said.length_mm is not None and said.length_px is not None:
        value, how = said.length_mm / said.length_px, f"{said.length_mm:g} mm over {said.length_px:g} px"
    else:
        distance, focal, pixel = said.distance_mm or 0.0, said.focal_length_mm or 1.0, said.pixel_um or 0.0
        value = distance * pixel / 1000 / focal
        how = f"{distance:g} mm away, focal length {focal:g} mm, pixels of {pixel:g} um"
    return Scale(value, f"{name}: {how}", said.uncertainty_percent / 100)


@dataclass(frozen=True, slots=True)
class Marker:
    """Markers of known size that lie on the surface in every picture.

    Attributes:
        side_mm: Side of the black square of each, in millimetres.

    Raises:
        UsageError: If ``side_mm`` is not a positive, finite number.
    """

    side_mm: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.side_mm) and self.side_mm > 0):
            raise UsageError(f"expected a marker's side of more than 0 mm, got {self.side_mm:g}")

    @property
    def fixed(self) -> None:
        """None: the markers must be found in each image."""
        return None

    def scale_of(self, image: NDArray[np.uint8], *, name: str = "image") -> Scale:
        """Return the scale of an image from its markers; see `find_marker_scale`.

        Args:
            image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.
            name: Name of the image in errors.

        Raises:
            ImageError: If no marker is found in the image.
        """
        return find_marker_scale(image, self.side_mm, name=name)

    def describe(self) -> str:
        """Return the source of the scale in words."""
        return f"scale from markers of {self.side_mm:g} mm"

    def to_dict(self) -> dict[str, float | str]:
        """Return the fields, ready for JSON."""
        return {"side_mm": self.side_mm}


def find_marker_scale(image: NDArray[np.uint8], side_mm: float, *, name: str = "image") -> Scale:
    """Find ArUco or AprilTag markers of known size in a picture and return the scale they give.

    The surface must be flat and the markers lie on it. What the view is tilted shows in sides of different length; it
    goes into the uncertainty with the half pixel that a corner may be off.

    Args:
        image: ``(H, W, 3)`` RGB pixels.
        side_mm: Side of the black square of each marker, in millimetres.
        name: What to call the picture in an error.

    Returns:
        The scale, with what was found as its source.

    Raises:
        ImageError: If there is no marker in the picture.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    sides, found = [], []
    for number in _DICTIONARIES:
        settings = cv2.aruco.DetectorParameters()
        settings.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(number), settings)
        corners, names, _ = detector.detectMarkers(grey)
        for quad, marker in zip(corners, [] if names is None else np.ravel(names), strict=True):
            around = np.asarray(quad, dtype=np.float64).reshape(4, 2)
            lengths = np.hypot(*(np.roll(around, -1, axis=0) - around).T)
            if lengths.min() >= _SMALLEST_SIDE_PX:
                sides.append(lengths)
                found.append(int(marker))
        if sides:
            break
    if not sides:
        raise ImageError(
            "no marker found",
            where=name,
            hint="put an ArUco or AprilTag marker with a white rim on the surface, or give --scale",
        )
    lengths = np.concatenate(sides)
    side_px = float(lengths.mean())
    spread = float(np.ptp(lengths)) / 2 / side_px
    uncertainty = float(np.hypot(spread, 2 * _CORNER_PX / side_px / np.sqrt(len(sides))))
    numbers = ", ".join(str(number) for number in found)
    source = f"marker {numbers} of {side_mm:g} mm in the picture, {side_px:.1f} px wide"
    return Scale(side_mm / side_px, source, min(uncertainty, 0.99))
