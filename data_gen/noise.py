"""Draw noise patches of four families: specks, squares, tall and flat patches."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from data_gen.chance import draw_integer
from data_gen.field import noise_2d
from data_gen.plane import Plane, Planes
from data_gen.recipe import NoiseRecipe

Grey = NDArray[np.uint8]
"""``(h, w)`` uint8 grey values, in [0, 255]."""

CLASSIC_LEVEL = 50
"""Grey value above which a pattern or patch is visible on black."""

_TRIES = 30
_BANK_PX = 160


@dataclass(frozen=True)
class NoisePatch:
    """One patch of noise.

    Attributes:
        family: ``speck``, ``square``, ``tall`` or ``flat``.
        row: First row, in pixels.
        col: First column, in pixels.
        grey: ``(h, w)`` uint8 opacity, in [0, 255]; the patch lies completely inside the image.
    """

    family: str
    row: int
    col: int
    grey: Grey

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Box ``(row0, col0, row1, col1)``, half-open, in pixels."""
        height, width = self.grey.shape
        return self.row, self.col, self.row + height, self.col + width

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of the image that the patch covers."""
        height, width = self.grey.shape
        return slice(self.row, self.row + height), slice(self.col, self.col + width)


def draw_noise(
    rng: np.random.Generator,
    recipe: NoiseRecipe,
    mask: NDArray[np.bool_],
    small: Sequence[Grey] = (),
    big: Sequence[Grey] = (),
) -> tuple[NoisePatch, ...]:
    """Draw the patches of all four families.

    Args:
        rng: Source of randomness.
        recipe: Counts per 1024 x 1024 pixels, sizes and placement.
        mask: ``(H, W)`` bool crack mask, for placement on or next to cracks.
        small: ``(h, w)`` uint8 grey patches for specks; procedural blobs if empty.
        big: ``(h, w)`` uint8 grey patches for squares, tall and flat patches; procedural blobs if empty.

    Returns:
        Patches completely inside the image.

    Raises:
        ValueError: If a patch of ``small`` or ``big`` is not ``(h, w)`` uint8 with at least one pixel.
    """
    shape = (mask.shape[0], mask.shape[1])
    square, long, short = recipe.square_side_px, recipe.long_side_px, recipe.short_side_px
    plan = (
        ("speck", recipe.specks, recipe.speck_side_px, None),
        ("square", recipe.squares, square, None),
        ("tall", recipe.tall, long, short),
        ("flat", recipe.flat, short, long),
    )
    bank: Plane | None = None
    cracked = np.flatnonzero(mask) if recipe.placement != "anywhere" else np.empty(0, np.int64)
    patches: list[NoisePatch] = []
    for family, counts, heights, widths in plan:
        count = _draw_count(rng, counts, shape[0] * shape[1] / 1024**2)
        rows = _draw_sides(rng, heights, count, shape[0])
        sizes = np.column_stack(
            [rows, np.minimum(rows if widths is None else _draw_sides(rng, widths, count, shape[1]), shape[1])]
        )
        assets = small if family == "speck" else big
        if len(assets):
            greys = [_fit_patch(rng, assets, (int(size[0]), int(size[1]))) for size in sizes]
        else:
            bank = _draw_bank(rng) if bank is None else bank
            greys = _cut_blobs(rng, bank, sizes)
        spots = rng.integers(0, shape - sizes, endpoint=True)
        for grey, size, (row, col) in zip(greys, sizes, spots.tolist(), strict=True):
            if len(cracked):
                row, col = _draw_spot(rng, recipe, mask, cracked, (int(size[0]), int(size[1])))  # noqa: PLW2901
            patches.append(NoisePatch(family, row, col, grey))
    return tuple(patches)


def _draw_sides(rng: np.random.Generator, span: tuple[float, float], count: int, most: int) -> NDArray[np.int64]:
    """Draw ``(count,)`` int64 sides, in pixels, none longer than ``most``."""
    low, high = max(1, round(span[0])), max(1, round(span[1]))
    return np.minimum(rng.integers(low, high, count, endpoint=True), most)


def _draw_count(rng: np.random.Generator, counts: tuple[int, int], share: float) -> int:
    """Draw a count for a share of a megapixel, with random rounding."""
    expected = draw_integer(rng, counts) * share
    return int(expected) + int(rng.random() < expected - int(expected))


def _draw_bank(rng: np.random.Generator) -> Plane:
    """Draw the ``(160, 160)`` smooth noise from which blobs are cut."""
    shape = (_BANK_PX, _BANK_PX)
    return noise_2d(rng, shape, 9.0) + np.float32(0.5) * noise_2d(rng, shape, 4.0)


def _cut_blobs(rng: np.random.Generator, bank: Plane, sizes: NDArray[np.int64]) -> list[Grey]:
    """Cut irregular blobs of ``(n, 2)`` int64 sizes, in pixels.

    Each blob fills most of its box and fades at the border.
    """
    sizes = np.minimum(sizes, _BANK_PX)
    if not len(sizes):
        return []
    height, width = sizes.max(axis=0).tolist()
    places = rng.integers(0, _BANK_PX + 1 - np.array([height, width]), (len(sizes), 2))
    level = sliding_window_view(bank, (height, width))[places[:, 0], places[:, 1]]
    rows, cols = (_across(sizes[:, axis], int(most)) for axis, most in ((0, height), (1, width)))
    body = np.float32(1.6) - np.float32(2.2) * (rows * rows)[:, :, None] - np.float32(2.2) * (cols * cols)[:, None, :]
    level = level + body
    middle = level[:, height // 4 : height // 2 + 1, width // 4 : width // 2 + 1].mean(axis=(1, 2), keepdims=True)
    level += np.maximum(np.float32(1.2) - middle, 0)
    rim = np.minimum(1 - np.abs(rows)[:, :, None], 1 - np.abs(cols)[:, None, :])
    rim *= (sizes.max(axis=1) / 3).astype(np.float32)[:, None, None]
    grey = (np.clip(np.minimum(level, rim), 0, 1) * np.float32(255)).astype(np.uint8)
    return [blob[:rows_, :cols_] for blob, (rows_, cols_) in zip(grey, sizes.tolist(), strict=True)]


def _across(sides: NDArray[np.int64], most: int) -> Plane:
    """Return ``(n, most)`` float32 positions from -1 to 1 within each side."""
    steps = np.arange(1, most + 1, dtype=np.float32)
    return np.asarray(np.clip(steps * np.float32(2) / (sides[:, None] + 1) - 1, -1, 1), dtype=np.float32)


def _fit_patch(rng: np.random.Generator, patches: Sequence[Grey], size: tuple[int, int]) -> Grey:
    """Pick a patch and resize it."""
    patch = patches[int(rng.integers(0, len(patches)))]
    if patch.ndim != 2 or patch.dtype != np.uint8 or not patch.size:
        raise ValueError(f"expected a noise patch (h, w) uint8, got {patch.shape} {patch.dtype}")
    return np.asarray(cv2.resize(patch, (size[1], size[0]), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _draw_spot(
    rng: np.random.Generator,
    recipe: NoiseRecipe,
    mask: NDArray[np.bool_],
    cracked: NDArray[np.int64],
    size: tuple[int, int],
) -> tuple[int, int]:
    """Draw the position of a patch on or next to a crack.

    Args:
        rng: Source of randomness.
        recipe: Placement.
        mask: ``(H, W)`` bool crack mask.
        cracked: ``(n,)`` int64 flat indices of its crack pixels.
        size: Height and width of the patch, in pixels.
    """
    high = np.array(mask.shape, np.int64) - np.array(size, np.int64)
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


def merge(canvas: Grey, region: tuple[slice, slice], grey: Grey) -> None:
    """Merge a pattern into a canvas in place by the maximum.

    The final threshold, 50 by default, removes the values that classic merging ignores.

    Args:
        canvas: ``(H, W)`` uint8, in [0, 255].
        region: Rows and columns of the canvas.
        grey: ``(h, w)`` uint8 pattern, in [0, 255].
    """
    part = canvas[region]
    np.maximum(part, grey, out=part)


def paint_noise(
    rng: np.random.Generator, planes: Planes, patches: Sequence[NoisePatch], strength: tuple[float, float]
) -> None:
    """Blend patches into an image as pits, dirt or crumbs.

    Args:
        rng: Source of randomness.
        planes: ``(3, H, W)`` float32 image in about [0, 1]; changed in place.
        patches: Patches to blend.
        strength: Smallest and largest relative change of brightness.
    """
    darker = rng.uniform(0.2, 1.0)
    signs = np.where(rng.random(len(patches)) < darker, -1.0, 0.8)
    changes = (signs * rng.uniform(strength[0], strength[1], len(patches)) / 255).astype(np.float32)
    for patch, change in zip(patches, changes, strict=True):
        rows, cols = patch.region
        soft = cv2.GaussianBlur(patch.grey, (0, 0), 0.08 * max(patch.grey.shape), borderType=cv2.BORDER_CONSTANT)
        planes[:, rows, cols] *= 1 + change * soft
