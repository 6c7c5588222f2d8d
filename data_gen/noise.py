"""The four families of noise patches: specks, squares, tall and flat ones. They leave the truth alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_gen import chance
from data_gen.field import noise_2d
from data_gen.plane import Plane, Planes, clip
from data_gen.recipe import NoiseRecipe

_TRIES = 30


@dataclass(frozen=True)
class NoisePatch:
    """One patch of noise.

    Attributes:
        family: ``speck``, ``square``, ``tall`` or ``flat``.
        row: First row.
        col: First column.
        alpha: ``(h, w)`` float32 in [0, 1], how much of it each pixel shows; wholly inside the image.
    """

    family: str
    row: int
    col: int
    alpha: Plane

    @property
    def window(self) -> tuple[slice, slice]:
        """Slices of the image that the patch covers."""
        height, width = self.alpha.shape
        return slice(self.row, self.row + height), slice(self.col, self.col + width)


@dataclass(frozen=True)
class _Bank:
    """Smooth noise ``(256, 256)`` to cut blobs from, and the windows made so far by size."""

    field: Plane
    windows: dict[tuple[int, int], tuple[Plane, Plane]]

    def blob(self, rng: np.random.Generator, size: tuple[int, int]) -> Plane:
        """Cut an irregular blob; it fills most of its box and fades at the border."""
        height, width = min(size[0], 256), min(size[1], 256)
        if (height, width) not in self.windows:
            rows = np.linspace(-1, 1, height + 2, dtype=np.float32)[1:-1, None]
            cols = np.linspace(-1, 1, width + 2, dtype=np.float32)[None, 1:-1]
            rim = np.minimum(1 - np.abs(rows), 1 - np.abs(cols)) * np.float32(max(height, width) / 3)
            self.windows[height, width] = (np.float32(1.6) - np.float32(2.2) * (rows * rows + cols * cols), clip(rim))
        body, rim = self.windows[height, width]
        row, col = rng.integers(0, (257 - height, 257 - width))
        level = body + self.field[row : row + height, col : col + width]
        return np.asarray(np.minimum(clip(level), rim), dtype=np.float32)


def draw_noise(
    rng: np.random.Generator,
    recipe: NoiseRecipe,
    mask: NDArray[np.bool_],
    small: Sequence[NDArray[np.uint8]] = (),
    big: Sequence[NDArray[np.uint8]] = (),
) -> tuple[NoisePatch, ...]:
    """Draw the patches of all four families.

    Args:
        rng: Source of randomness.
        recipe: Counts per 1024 x 1024 pixels, sizes, placement.
        mask: ``(H, W)`` bool cracks, for placement on or beside them.
        small: Grey patches ``(h, w)`` uint8 for specks; procedural blobs if empty.
        big: The same for squares, tall and flat ones.

    Returns:
        Patches wholly inside the image.

    Raises:
        ValueError: If a given patch is not ``(h, w)`` uint8 with at least one pixel.
    """
    height, width = mask.shape
    share = height * width / 1024**2
    square, long, short = recipe.square_side_px, recipe.long_side_px, recipe.short_side_px
    plan = (
        ("speck", recipe.specks, recipe.speck_side_px, None),
        ("square", recipe.squares, square, None),
        ("tall", recipe.tall, long, short),
        ("flat", recipe.flat, short, long),
    )
    bank = _Bank(noise_2d(rng, (256, 256), 9.0) + np.float32(0.5) * noise_2d(rng, (256, 256), 4.0), {})
    cracked = np.flatnonzero(mask) if recipe.placement != "anywhere" else np.empty(0, np.int64)
    patches = []
    for family, counts, heights, widths in plan:
        given = small if family == "speck" else big
        for _ in range(_scaled(rng, counts, share)):
            rows = chance.integer(rng, _whole(heights))
            size = (min(rows, height), min(chance.integer(rng, _whole(widths)) if widths else rows, width))
            alpha = _given(rng, given, size) if len(given) else bank.blob(rng, size)
            row, col = _spot(rng, recipe, mask, cracked, size)
            patches.append(NoisePatch(family, row, col, alpha))
    return tuple(patches)


def _whole(span: tuple[float, float]) -> tuple[int, int]:
    return max(1, round(span[0])), max(1, round(span[1]))


def _scaled(rng: np.random.Generator, counts: tuple[int, int], share: float) -> int:
    """Draw a count for an image with the given share of a megapixel; fractions are rounded at random."""
    wished = chance.integer(rng, counts) * share
    return int(wished) + int(rng.random() < wished - int(wished))


def _given(rng: np.random.Generator, patches: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> Plane:
    """Pick a given patch and fit it to size."""
    patch = patches[int(rng.integers(0, len(patches)))]
    if patch.ndim != 2 or patch.dtype != np.uint8 or not patch.size:
        raise ValueError(f"expected a noise patch (h, w) uint8, got {patch.shape} {patch.dtype}")
    fitted = cv2.resize(patch, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(fitted, dtype=np.float32) * np.float32(1 / 255)


def _spot(
    rng: np.random.Generator,
    recipe: NoiseRecipe,
    mask: NDArray[np.bool_],
    cracked: NDArray[np.int64],
    size: tuple[int, int],
) -> tuple[int, int]:
    """Choose the first row and column of a patch of ``(h, w)`` pixels so that it stays inside the image.

    ``cracked`` holds the flat positions of the crack pixels of ``mask``.
    """
    high = np.array(mask.shape, np.int64) - np.array(size, np.int64)
    if recipe.placement == "anywhere" or not len(cracked):
        spot = rng.integers(0, high, endpoint=True)
        return int(spot[0]), int(spot[1])
    spot = np.zeros(2, np.int64)
    for _ in range(_TRIES):
        pixel = np.array(divmod(int(cracked[rng.integers(0, len(cracked))]), mask.shape[1]))
        if recipe.placement == "on":
            spot = pixel - rng.integers(0, size)
        else:
            away, turn = rng.uniform(0.6, 2.0) * max(size), rng.uniform(0, 2 * np.pi)
            middle = pixel + away * np.array([np.sin(turn), np.cos(turn)])
            spot = np.rint(middle - np.array(size) / 2).astype(np.int64)
        spot = np.clip(spot, 0, high)
        touches = bool(mask[spot[0] : spot[0] + size[0], spot[1] : spot[1] + size[1]].any())
        if touches == (recipe.placement == "on"):
            break
    return int(spot[0]), int(spot[1])


def paint_noise(
    rng: np.random.Generator, planes: Planes, patches: Sequence[NoisePatch], strength: tuple[float, float]
) -> None:
    """Blend patches into a photograph as pits, dirt or light crumbs.

    Args:
        rng: Source of randomness.
        planes: ``(3, H, W)`` float32; changed in place.
        patches: What to blend.
        strength: Smallest and largest change of brightness.
    """
    darker = rng.uniform(0.2, 1.0)
    for patch in patches:
        sign = -1.0 if rng.random() < darker else 0.8
        change = np.float32(sign * chance.uniform(rng, strength))
        rows, cols = patch.window
        planes[:, rows, cols] *= 1 + change * patch.alpha
