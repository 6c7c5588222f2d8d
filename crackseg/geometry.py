"""Places and sizes: regions in pixels, and the scale that turns pixels into millimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass

from crackseg.errors import UsageError


@dataclass(frozen=True, slots=True)
class Region:
    """A half-open rectangle of pixels: rows ``row0 <= row < row1``, columns ``col0 <= col < col1``.

    A region may reach beyond an image; what lies there is the reader's business (see `crackseg.prediction.tiling`).
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
        """Rows, in pixels."""
        return self.row1 - self.row0

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return self.col1 - self.col0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.height, self.width

    def slices(self, origin: tuple[int, int] = (0, 0)) -> tuple[slice, slice]:
        """Return the slices of this region in an array whose first pixel stands at ``origin`` (row, col)."""
        row, col = origin
        return slice(self.row0 - row, self.row1 - row), slice(self.col0 - col, self.col1 - col)


@dataclass(frozen=True, slots=True)
class Scale:
    """Millimetres per pixel, and where that number came from.

    Attributes:
        mm_per_px: Millimetres per pixel.
        source: Where it came from, in words.
        uncertainty: By how much it may be off, as a share of itself, at a confidence of 95 %; 0 where nothing is known.

    Raises:
        UsageError: If ``mm_per_px`` is not a positive, finite number, or ``uncertainty`` not in [0, 1).
    """

    mm_per_px: float
    source: str
    uncertainty: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mm_per_px) and self.mm_per_px > 0):
            raise UsageError(f"expected a scale of more than 0 mm per pixel, got {self.mm_per_px}")
        if not 0 <= self.uncertainty < 1:
            raise UsageError(f"expected an uncertainty of 0 to 100 % of the scale, got {100 * self.uncertainty:g} %")
