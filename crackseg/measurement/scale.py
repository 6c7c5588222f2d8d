"""Read the scale of images from a scale file or from markers in the image."""

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
"""Uncertainty of the position of a marker's corner, in pixels."""
_SMALLEST_SIDE_PX = 16.0


class ScaleFile(Section):
    """Contents of a scale file: millimetres per pixel, a known length, or the camera's geometry.

    Attributes:
        mm_per_px: Millimetres per pixel.
        length_mm: Length of an object on the surface, in millimetres.
        length_px: Length of the same object in the image, in pixels.
        distance_mm: Distance from the camera to the surface, perpendicular to it, in millimetres.
        focal_length_mm: Focal length of the lens (not the 35 mm equivalent), in millimetres.
        pixel_um: Side of a sensor pixel, in micrometres, multiplied by the factor by which the image was shrunk.
        uncertainty_percent: Uncertainty of the scale at 95 % confidence, in percent.
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
        started = [way for way in ways if any(value is not None for value in way)]
        if len(started) != 1 or None in started[0]:
            raise ValueError(
                "expected one of mm_per_px, length_mm with length_px, or distance_mm with focal_length_mm and pixel_um"
            )
        return self


def read_scale(path: Path) -> Scale:
    """Read a scale file; see `ScaleFile`.

    Raises:
        ConfigError: If the file cannot be read, or gives no scale, more than one, or a wrong value.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     path = Path(name, "site.yaml")
        ...     _ = path.write_text("{length_mm: 100, length_px: 400}")
        ...     read_scale(path)
        Scale(mm_per_px=0.25, source='site.yaml: 100 mm over 400 px', uncertainty=0.0)
    """
    config = load_config(ScaleFile, path)
    name = display_text(path.name)
    if config.mm_per_px is not None:
        value, how = config.mm_per_px, f"{config.mm_per_px:g} mm per pixel"
    elif config.length_mm is not None and config.length_px is not None:
        value, how = config.length_mm / config.length_px, f"{config.length_mm:g} mm over {config.length_px:g} px"
    else:
        distance, focal, pixel = config.distance_mm or 0.0, config.focal_length_mm or 1.0, config.pixel_um or 0.0
        value = distance * pixel / 1000 / focal
        how = f"{distance:g} mm away, focal length {focal:g} mm, pixels of {pixel:g} um"
    return Scale(value, f"{name}: {how}", config.uncertainty_percent / 100)


@dataclass(frozen=True, slots=True)
class Marker:
    """Markers of known size on the surface in every image; a `ScaleSource`.

    Attributes:
        side_mm: Side of the black square of each marker, in millimetres.

    Raises:
        UsageError: If ``side_mm`` is not a positive, finite number.
    """

    side_mm: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.side_mm) and self.side_mm > 0):
            raise UsageError(f"expected a marker side of more than 0 mm, got {self.side_mm:g}")

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
    """Return the scale of an image from its ArUco or AprilTag markers.

    The surface must be flat, with the markers on it. A tilted view makes the sides of a marker differ. This spread and
    half a pixel per corner give the uncertainty.

    Args:
        image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.
        side_mm: Side of the black square of each marker, in millimetres.
        name: Name of the image in errors.

    Returns:
        The scale; its source names the markers.

    Raises:
        ImageError: If no marker is found in the image.

    Example:
        >>> image = np.full((300, 300, 3), 255, np.uint8)
        >>> dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        >>> image[100:200, 100:200] = cv2.aruco.generateImageMarker(dictionary, 3, 100)[..., None]
        >>> round(find_marker_scale(image, 50.0).mm_per_px, 1)
        0.5
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    sides, ids = [], []
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
                ids.append(int(marker))
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
    numbers = ", ".join(str(number) for number in ids)
    source = f"marker {numbers} of {side_mm:g} mm in the image, {side_px:.1f} px wide"
    return Scale(side_mm / side_px, source, min(uncertainty, 0.99))
