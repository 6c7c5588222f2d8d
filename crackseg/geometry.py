"""Define pixel regions and the scale from pixels to millimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, SupportsFloat

from crackseg.errors import UsageError, display_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Region:
    """A half-open rectangle of pixels: rows ``row0 <= row < row1``, columns ``col0 <= col < col1``.

    A region may reach beyond an image. Its reader decides what lies there; see `crackseg.prediction.tiling`.
    """

    row0: int
    col0: int
    row1: int
    col1: int

    def __post_init__(self) -> None:
        if self.row1 < self.row0 or self.col1 < self.col0:
            raise ValueError(f"expected row0 <= row1 and col0 <= col1, got {self}")

    @property
    def height(self) -> int:
        """Number of rows, in pixels."""
        return self.row1 - self.row0

    @property
    def width(self) -> int:
        """Number of columns, in pixels."""
        return self.col1 - self.col0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.height, self.width

    def slices(self, origin: tuple[int, int] = (0, 0)) -> tuple[slice, slice]:
        """Return the row and column `slice` of this region in an array.

        Args:
            origin: Row and column of the first pixel of the array.
        """
        row, col = origin
        return slice(self.row0 - row, self.row1 - row), slice(self.col0 - col, self.col1 - col)


class ScaleSource(Protocol):
    """Source of the scale of images: one `Scale` for all of them, or markers in each image."""

    @property
    def fixed(self) -> Scale | None:
        """Scale of every image; None if each image must show its scale."""

    def scale_of(self, image: NDArray[np.uint8], *, name: str = "image") -> Scale:
        """Return the scale of an image.

        Args:
            image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255.
            name: Name of the image in errors.

        Raises:
            ImageError: If the image shows no scale.
        """

    def describe(self) -> str:
        """Return the source in words."""

    def to_dict(self) -> dict[str, float | str]:
        """Return the settings of this source, ready for JSON."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Millimetres per pixel, with its source; also the `ScaleSource` that gives every image this scale.

    Attributes:
        mm_per_px: Millimetres per pixel.
        source: Source of the number, in words.
        uncertainty: Relative uncertainty at 95 % confidence, in [0, 1); 0 if unknown.

    Raises:
        UsageError: If ``mm_per_px`` is not a positive, finite number, or ``uncertainty`` is not in [0, 1).
    """

    mm_per_px: float
    source: str
    uncertainty: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mm_per_px) and self.mm_per_px > 0):
            raise UsageError(
                f"expected more than 0 mm per pixel, got {self.mm_per_px:g}", where=self.source.rstrip("=")
            )
        if not 0 <= self.uncertainty < 1:
            percent = f"{100 * self.uncertainty:g} %"
            raise UsageError(f"expected an uncertainty of 0 to 100 % of the scale, got {percent}", where=self.source)

    @property
    def fixed(self) -> Scale:
        """This scale."""
        return self

    def scale_of(self, image: NDArray[np.uint8], *, name: str = "image") -> Scale:  # noqa: ARG002
        """Return this scale for any image.

        Args:
            image: ``(H, W, 3)`` uint8 RGB pixels, 0 to 255; not read.
            name: Name of the image; not used.
        """
        return self

    def describe(self) -> str:
        """Return the scale in words."""
        return f"{self.mm_per_px:g} mm per pixel ({display_text(self.source)})"

    def to_dict(self) -> dict[str, float | str]:
        """Return the fields, ready for JSON."""
        return {"mm_per_px": self.mm_per_px, "source": self.source, "uncertainty": self.uncertainty}


def as_scale_source(scale: float | ScaleSource | None) -> ScaleSource | None:
    """Return a scale source for a number of millimetres per pixel.

    Args:
        scale: Millimetres per pixel, a `Scale`, or markers of known size; None if no scale is known.

    Returns:
        ``Scale(scale, "scale=")`` for a number; anything else unchanged.

    Raises:
        UsageError: If the number is not positive and finite, or the value gives no scale.

    Example:
        >>> as_scale_source(0.2)
        Scale(mm_per_px=0.2, source='scale=', uncertainty=0.0)
    """
    if isinstance(scale, SupportsFloat):
        return Scale(float(scale), "scale=")
    if scale is not None and not hasattr(scale, "scale_of"):
        raise UsageError(f"expected millimetres per pixel, a Scale or a Marker, got {scale!r}", where="scale")
    return scale
