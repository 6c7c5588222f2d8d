"""Cleaning of masks: morphology, holes, gaps, and rules by which components stay.

Everything here goes by tables: labels are made once, each rule decides per label, and one look-up turns the decision
into pixels. A step that leaves nothing of a mask says so, and why: a minimum area that silently drops every defect is
how bad parts are shipped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, assert_never

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.errors import UsageError
from crackseg.files import make_folder
from crackseg.imaging.codec import MASK_LEVEL, read_mask_levels, write_png
from crackseg.masks.gaps import bridge_gaps
from crackseg.measurement.skeleton import skeletonise

Element = Literal["rectangle", "ellipse", "cross"]
Operation = Literal["erode", "dilate", "open", "close", "tophat", "blackhat"]
Preset = Literal["classic"]

_Plane = NDArray[np.uint8]
"""``(H, W)``, 0 or 1."""

_HATS: tuple[tuple[str, Operation], ...] = (("tophat_px", "tophat"), ("blackhat_px", "blackhat"))
_SHAPERS: tuple[tuple[str, Operation], ...] = (
    ("erode_px", "erode"), ("dilate_px", "dilate"), ("open_px", "open"), ("close_px", "close")
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """What to do to a mask. The steps are done in the order of these fields; 0, None and False leave a step out.

    Attributes:
        element: Shape of the element of every morphological step; its size is the step's, an odd number.
        tophat_px: Keep what is brighter than an opening of this size: lines narrower than the element.
        blackhat_px: Keep what is darker than a closing of this size, such as dark lines in a photograph.
        level: From this level, 1 to 255, a pixel counts as crack.
        erode_px: Shrink.
        dilate_px: Grow.
        open_px: Remove what the element does not fit into.
        close_px: Fill what the element does not fit into.
        fill_holes: Fill background that does not touch the border of the image.
        max_hole_px: Holes of more pixels stay; None fills all.
        bridge_px: Join ends that point at each other across a gap of up to so many pixels.
        min_area_px: Remove components of fewer pixels.
        min_length_px: Remove components with a shorter skeleton.
        min_elongation: Remove components whose length is fewer times their mean width.
        max_distance_px: Remove components that are shorter than ``long_px`` and farther from any that is not.
        long_px: Length that makes a component one of the long ones; None means the longest alone is.
        texture: Give back, under what is kept, the original grey, and not 255.

    Raises:
        UsageError: If a size is even or negative, or a number out of its range.
    """

    element: Element = "rectangle"
    tophat_px: int = 0
    blackhat_px: int = 0
    level: int = MASK_LEVEL
    erode_px: int = 0
    dilate_px: int = 0
    open_px: int = 0
    close_px: int = 0
    fill_holes: bool = False
    max_hole_px: int | None = None
    bridge_px: float = 0.0
    min_area_px: int = 0
    min_length_px: float = 0.0
    min_elongation: float = 0.0
    max_distance_px: float | None = None
    long_px: float | None = None
    texture: bool = False

    def __post_init__(self) -> None:
        for name, _ in (*_HATS, *_SHAPERS):
            size = getattr(self, name)
            if size < 0 or (size > 0 and size % 2 == 0):
                raise UsageError(f"expected an odd size in pixels, or 0 for none, got {size}", where=name)
        if not 1 <= self.level <= 255:
            raise UsageError(f"expected a level from 1 to 255, got {self.level}", where="level")
        for name in ("max_hole_px", "bridge_px", "min_area_px", "min_length_px", "min_elongation", "max_distance_px"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise UsageError(f"expected 0 or more, got {value}", where=name)
        if self.long_px is not None and self.max_distance_px is None:
            raise UsageError("says which components are long, and nothing asks", where="long_px", hint="set a distance")


def preset(name: Preset) -> Cleaning:
    """Return a named cleaning.

    ``classic`` is the usual denoising of drawn cracks: open with a rectangle of 3x3, keep 8-connected components of
    more than 50 pixels, and give back their grey texture.
    """
    match name:
        case "classic":
            return Cleaning(open_px=3, min_area_px=51, texture=True)
        case _:
            assert_never(name)


def choose_cleaning(name: Preset | None, given: Mapping[str, Any]) -> Cleaning:
    """Return a preset, or without one the usual cleaning, with some of its fields set.

    The usual cleaning opens by 3x3 and keeps components of 50 pixels or more.

    Args:
        name: The preset.
        given: Fields of `Cleaning`; None leaves one as it is.

    Raises:
        UsageError: If a value makes no sense.
    """
    start = Cleaning(open_px=3, min_area_px=50) if name is None else preset(name)
    return dataclasses.replace(start, **{key: value for key, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class CleaningStep:
    """What one step did.

    Attributes:
        name: The field of `Cleaning` that asked for it.
        before_px: Crack pixels before it.
        after_px: Crack pixels after it.
        emptied: Why nothing is left, if there was something before.
    """

    name: str
    before_px: int
    after_px: int
    emptied: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CleanedMask:
    """A mask after cleaning.

    Attributes:
        mask: ``(H, W) bool`` crack pixels.
        pixels: ``(H, W) uint8`` to write: 0 and 255, or the grey texture.
        before_px: Crack pixels before all steps.
        steps: What was done, in order.
    """

    mask: NDArray[np.bool_]
    pixels: NDArray[np.uint8]
    before_px: int
    steps: tuple[CleaningStep, ...]

    @property
    def after_px(self) -> int:
        """Crack pixels that are left."""
        return self.steps[-1].after_px if self.steps else self.before_px

    @property
    def emptied(self) -> str | None:
        """Which step left nothing of a mask that held something, and why; None if none did."""
        return next((f"{step.name} {step.emptied}" for step in self.steps if step.emptied is not None), None)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the arrays, ready for JSON."""
        return {
            "before_px": self.before_px,
            "after_px": self.after_px,
            "emptied": self.emptied,
            "steps": [dataclasses.asdict(step) for step in self.steps],
        }


def clean(levels: NDArray[np.uint8] | NDArray[np.bool_], cleaning: Cleaning) -> CleanedMask:
    """Clean a mask.

    Args:
        levels: ``(H, W)`` mask, or levels 0 to 255 as `read_mask_levels` gives them.
        cleaning: What to do.

    Raises:
        UsageError: If ``levels`` has another shape.
    """
    if levels.ndim != 2:
        raise UsageError(f"expected a mask of shape (H, W), got {levels.shape}")
    grey = levels.astype(np.uint8) * np.uint8(255) if levels.dtype == np.bool_ else np.asarray(levels, dtype=np.uint8)
    line = grey
    for name, operation in _HATS:
        if size := getattr(cleaning, name):
            line = apply_morphology(line, operation, size_px=size, element=cleaning.element)
    plane = cv2.threshold(line, cleaning.level - 1, 1, cv2.THRESH_BINARY)[1].astype(np.uint8, copy=False)
    before_px = cv2.countNonZero(plane)
    work = _Work(plane, before_px)
    _shape(work, cleaning)
    _sift(work, cleaning)
    full = work.plane * np.uint8(255)
    pixels = np.asarray(cv2.bitwise_and(grey, full), dtype=np.uint8) if cleaning.texture else full
    return CleanedMask(work.plane.view(np.bool_), pixels, before_px, tuple(work.steps))


def clean_file(path: Path, target: Path, cleaning: Cleaning) -> CleanedMask:
    """Clean a mask file into another, 8-bit PNG; its folder is made if it is missing.

    Raises:
        UsageError: If there is no such file, or both are one.
        ImageError: If it cannot be read.
        OutputError: If the other cannot be written.
    """
    if target.resolve() == path.resolve():
        raise UsageError("would be overwritten", where=path, hint="choose another folder to write to")
    cleaned = clean(read_mask_levels(path), cleaning)
    make_folder(target.parent)
    write_png(target, cleaned.pixels)
    return cleaned


class _Work:
    """A mask on its way through the steps."""

    def __init__(self, plane: _Plane, count_px: int) -> None:
        self.plane, self.count_px = plane, count_px
        self.steps: list[CleaningStep] = []

    def take(self, name: str, plane: _Plane, why: str) -> None:
        """Go on with what a step left."""
        before_px, self.plane, self.count_px = self.count_px, plane, cv2.countNonZero(plane)
        emptied = why if before_px and not self.count_px else None
        self.steps.append(CleaningStep(name, before_px, self.count_px, emptied))


def _shape(work: _Work, cleaning: Cleaning) -> None:
    """Do the steps that change the shape of components."""
    for name, operation in _SHAPERS:
        if size := getattr(cleaning, name):
            plane = apply_morphology(work.plane, operation, size_px=size, element=cleaning.element)
            work.take(name, plane, f"{size} leaves no crack pixel")
    if cleaning.fill_holes:
        work.take("fill_holes", _without_holes(work.plane, cleaning.max_hole_px), "")
    if cleaning.bridge_px:
        bridged = bridge_gaps(work.plane.view(np.bool_), max_gap_px=cleaning.bridge_px)
        work.take("bridge_px", bridged.view(np.uint8), "")


def apply_morphology(
    pixels: NDArray[np.uint8], operation: Operation, *, size_px: int, element: Element = "rectangle"
) -> NDArray[np.uint8]:
    """Apply a morphological operation to a mask of 0 and 1 or 255, or to grey pixels.

    Nothing is assumed beyond the border: erosion does not eat into what touches it.

    Args:
        pixels: ``(H, W)`` pixels.
        operation: What to do. The hats give the difference between the image and its opening or closing.
        size_px: Side of the element, odd.
        element: Its shape.

    Returns:
        ``(H, W)`` pixels.
    """
    kinds = {
        "erode": cv2.MORPH_ERODE, "dilate": cv2.MORPH_DILATE, "open": cv2.MORPH_OPEN, "close": cv2.MORPH_CLOSE,
        "tophat": cv2.MORPH_TOPHAT, "blackhat": cv2.MORPH_BLACKHAT,
    }  # fmt: skip
    shapes = {"rectangle": cv2.MORPH_RECT, "ellipse": cv2.MORPH_ELLIPSE, "cross": cv2.MORPH_CROSS}
    kernel = cv2.getStructuringElement(shapes[element], (size_px, size_px))
    return np.asarray(cv2.morphologyEx(pixels, kinds[operation], kernel), dtype=np.uint8)


def fill_holes(mask: NDArray[np.bool_], *, max_hole_px: int | None = None) -> NDArray[np.bool_]:
    """Fill the holes of a mask: 4-connected background that does not touch the border of the image.

    Args:
        mask: ``(H, W)`` mask.
        max_hole_px: Holes of more pixels stay, such as the cells of a net of cracks; None fills all.

    Returns:
        ``(H, W)`` mask.
    """
    return _without_holes(np.ascontiguousarray(mask).view(np.uint8), max_hole_px).view(np.bool_)


def _without_holes(plane: _Plane, max_hole_px: int | None) -> _Plane:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - plane, connectivity=4)
    left, top, width, height, area = np.asarray(stats).T
    rows, cols = plane.shape
    filled = (left > 0) & (top > 0) & (left + width < cols) & (top + height < rows)
    if max_hole_px is not None:
        filled &= area <= max_hole_px
    filled[0] = True
    return np.take(filled.view(np.uint8), np.asarray(labels))


def _sift(work: _Work, cleaning: Cleaning) -> None:
    """Remove the components that a rule speaks against."""
    if cleaning.min_area_px:
        labels, areas = _labelled(work.plane)
        kept = (areas >= cleaning.min_area_px).view(np.uint8)
        kept[0] = 0
        why = _all_removed(cleaning.min_area_px, areas[1:], "the largest has {:.0f} px")
        work.take("min_area_px", np.take(kept, labels), why)
    if cleaning.min_length_px or cleaning.min_elongation or cleaning.max_distance_px is not None:
        _sift_by_length(work, cleaning)


def _labelled(plane: _Plane) -> tuple[NDArray[np.integer], NDArray[np.int32]]:
    """Return the ``(H, W)`` labels of the 8-connected components, 0 being background, and the area of each label.

    A component holds at least one run of pixels in a row. Where there are few runs, 16 bits will do for the labels, and
    half the memory makes labelling and look-up almost twice as fast.
    """
    runs = cv2.countNonZero(cv2.subtract(plane[:, 1:], plane[:, :-1])) + cv2.countNonZero(plane[:, :1])
    kind = cv2.CV_16U if runs < 2**16 - 2 else cv2.CV_32S
    _, labels, stats, _ = cv2.connectedComponentsWithStats(plane, connectivity=8, ltype=kind)
    return np.asarray(labels), np.asarray(stats, dtype=np.int32)[:, cv2.CC_STAT_AREA]


def _all_removed(setting: float, values: NDArray[Any], most: str) -> str:
    if not values.size:
        return ""
    count = f"all {values.size} components" if values.size > 1 else "the only component"
    return f"{setting:g} removes {count}; {most.format(float(values.max()))}"


def _sift_by_length(work: _Work, cleaning: Cleaning) -> None:
    labels, areas = _labelled(work.plane)
    if areas.size == 1:
        return
    lengths = skeleton_lengths(skeletonise(work.plane.view(np.bool_)), labels, areas.size)
    kept = np.ones(areas.size, dtype=np.bool_)
    kept[0] = False

    def take(name: str, stays: NDArray[np.bool_], why: str) -> None:
        kept[~stays] = False
        work.take(name, np.take(kept.view(np.uint8), labels), why)

    rules = (
        ("min_length_px", lengths, "the longest has {:.1f} px"),
        ("min_elongation", lengths**2 / np.maximum(areas, 1), "the most elongated has {:.1f}"),
    )
    for name, values, most in rules:
        if least := getattr(cleaning, name):
            take(name, values >= least, _all_removed(least, values[kept], most))
    if cleaning.max_distance_px is not None and kept.any():
        long_px = float(lengths[kept].max()) if cleaning.long_px is None else cleaning.long_px
        is_long = kept & (lengths >= long_px)
        near = is_long | (_distances(labels, is_long) <= cleaning.max_distance_px)
        take("max_distance_px", near, f"finds no component of {long_px:g} px or longer")


def skeleton_lengths(skeleton: NDArray[np.bool_], labels: NDArray[np.integer], count: int) -> NDArray[np.float64]:
    """Return about how long the skeleton of each component is: enough to sift by, not to report.

    Args:
        skeleton: ``(H, W)`` skeleton.
        labels: ``(H, W)`` component of each pixel.
        count: Labels, that of the background included.

    Returns:
        ``(C,)`` lengths in pixels, by label, at least 1.

    Source:
        Kulpa, "Area and perimeter measurement of blobs in discrete binary pictures", Computer Graphics and Image
        Processing 6 (1977) 434-451: 0.948 for a straight step, 1.340 for a diagonal one.
    """
    plane = np.pad(skeleton, ((0, 1), (1, 1)))
    here, right = plane[:-1, 1:-1], plane[:-1, 2:]
    down, down_left, down_right, left = plane[1:, 1:-1], plane[1:, :-2], plane[1:, 2:], plane[:-1, :-2]
    # A diagonal step is one only where no straight way round it exists.
    falling, rising = here & down_right & ~right & ~down, here & down_left & ~left & ~down
    total = np.ones(count)
    for step, weight in ((here & right, 0.948), (here & down, 0.948), (falling, 1.340), (rising, 1.340)):
        total += weight * np.bincount(labels[step], minlength=count)
    return total


def _distances(labels: NDArray[np.integer], anchors: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return, by label, how far a component is from the nearest of the ``anchors``, in pixels; infinite without any."""
    least = np.full(anchors.size, np.inf)
    if anchors.any():
        away = 1 - np.take(anchors.view(np.uint8), labels)
        distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        pixels = np.nonzero(labels)
        np.minimum.at(least, labels[pixels], distance[pixels])
    return least
