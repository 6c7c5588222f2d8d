"""Clean masks: morphology, holes, gaps and rules for components.

Components are labelled once, each rule decides per label, and one look-up turns the decision into pixels. A step that
removes every crack pixel reports it with the reason, so that a minimum area cannot silently drop all defects.
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
from crackseg.imaging.mask_check import refuse_photo
from crackseg.masks.gaps import bridge_gaps
from crackseg.masks.morphology import Element, Operation, Plane, apply_morphology, fill_plane
from crackseg.measurement.skeleton import skeletonise

Preset = Literal["classic"]

_HATS: tuple[tuple[str, Operation], ...] = (("tophat_px", "tophat"), ("blackhat_px", "blackhat"))
_SHAPERS: tuple[tuple[str, Operation], ...] = (
    ("erode_px", "erode"), ("dilate_px", "dilate"), ("open_px", "open"), ("close_px", "close")
)  # fmt: skip


_NO_STEPS = ("element", "texture", "max_hole_px", "long_px")
"""Fields that only qualify a step, or the file that is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """Steps of a cleaning, run in the order of these fields; 0, None and False leave a step out.

    Attributes:
        element: Shape of the structuring element of every morphological step; the step gives its size, an odd number.
        tophat_px: Keep lines brighter than their surroundings and narrower than this size, in pixels.
        blackhat_px: Keep lines darker than their surroundings and narrower than this size, in pixels.
        level: Least level of a crack pixel, 1 to 255.
        erode_px: Size of an erosion, in pixels.
        dilate_px: Size of a dilation, in pixels.
        open_px: Size of an opening, in pixels; it removes cracks narrower than the element.
        close_px: Size of a closing, in pixels; it fills gaps narrower than the element.
        fill_holes: Fill background that does not touch the border of the image.
        max_hole_px: Largest area of a hole to fill, in pixels; None fills all.
        bridge_px: Largest gap between two ends that point at each other to bridge, in pixels.
        min_area_px: Least area of a component to keep, in pixels.
        min_length_px: Least skeleton length of a component to keep, in pixels.
        min_elongation: Least ratio of length to mean width of a component to keep.
        max_distance_px: Largest distance from a long component at which a shorter one is kept, in pixels.
        long_px: Least length of a long component, in pixels; None if only the longest is long.
        texture: Restore the original grey values of the kept pixels instead of 255.

    Raises:
        UsageError: If a size is even or negative, or a number is out of its range.
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
                raise UsageError(f"expected an odd size in pixels, or 0 to leave the step out; got {size}", where=name)
        if not 1 <= self.level <= 255:
            raise UsageError(f"expected a level from 1 to 255, got {self.level}", where="level")
        for name in ("max_hole_px", "bridge_px", "min_area_px", "min_length_px", "min_elongation", "max_distance_px"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise UsageError(f"expected 0 or more, got {value}", where=name)
        if self.long_px is not None and self.max_distance_px is None:
            raise UsageError(
                "long_px has no effect without max_distance_px", where="long_px", hint="set max_distance_px as well"
            )


def preset(name: Preset) -> Cleaning:
    """Return a named cleaning.

    ``classic`` is the usual denoising of drawn cracks. It opens with a rectangle of 3x3, keeps 8-connected components
    of more than 50 pixels, and restores their grey texture.

    Example:
        >>> preset("classic").min_area_px
        51
    """
    match name:
        case "classic":
            return Cleaning(open_px=3, min_area_px=51, texture=True)
        case _:
            assert_never(name)


def choose_cleaning(name: Preset | None, settings: Mapping[str, Any]) -> Cleaning:
    """Return a preset, the default cleaning, or only the given steps.

    The default cleaning opens by 3x3 and keeps components of 50 pixels or more. A setting that asks for a step turns
    both off. A setting of 0 only leaves a step out.

    Args:
        name: Name of a preset, in which the settings replace fields; None without one.
        settings: Fields of `Cleaning`; None keeps a field.

    Raises:
        UsageError: If a value is out of its range.

    Example:
        >>> choose_cleaning(None, {"fill_holes": True}) == Cleaning(fill_holes=True)
        True
        >>> choose_cleaning(None, {"element": "ellipse"}) == Cleaning(element="ellipse", open_px=3, min_area_px=50)
        True
    """
    fields = {key: value for key, value in settings.items() if value is not None}
    if name is not None:
        return dataclasses.replace(preset(name), **fields)
    has_step = any(value is not False and value != 0 for key, value in fields.items() if key not in _NO_STEPS)
    return dataclasses.replace(Cleaning() if has_step else Cleaning(open_px=3, min_area_px=50), **fields)


@dataclass(frozen=True, slots=True)
class CleaningStep:
    """Effect of one step.

    Attributes:
        name: Field of `Cleaning` that sets the step.
        before_px: Number of crack pixels before the step.
        after_px: Number of crack pixels after the step.
        emptied: Reason why the step removed every crack pixel; None if it did not.
    """

    name: str
    before_px: int
    after_px: int
    emptied: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CleanedMask:
    """Mask after cleaning.

    Attributes:
        mask: ``(H, W)`` bool crack mask.
        pixels: ``(H, W)`` uint8 pixels to write: 0 and 255, or the grey texture.
        before_px: Number of crack pixels before all steps.
        steps: Effects of the steps, in order.
    """

    mask: NDArray[np.bool_]
    pixels: NDArray[np.uint8]
    before_px: int
    steps: tuple[CleaningStep, ...]

    @property
    def after_px(self) -> int:
        """Number of crack pixels that remain."""
        return self.steps[-1].after_px if self.steps else self.before_px

    @property
    def emptied(self) -> str | None:
        """Step that removed every crack pixel, with the reason; None without one."""
        return next((f"{step.name} {step.emptied}" for step in self.steps if step.emptied is not None), None)

    def __repr__(self) -> str:
        """Return size and crack pixels before and after, in one line."""
        return (
            f"CleanedMask({self.mask.shape[0]}x{self.mask.shape[1]} px, {self.before_px} -> {self.after_px} crack px)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return counts and steps without the arrays, ready for JSON."""
        return {
            "before_px": self.before_px,
            "after_px": self.after_px,
            "emptied": self.emptied,
            "steps": [dataclasses.asdict(step) for step in self.steps],
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per step, ready for a data frame."""
        return [dataclasses.asdict(step) for step in self.steps]


def clean(levels: NDArray[np.uint8] | NDArray[np.bool_], cleaning: Cleaning) -> CleanedMask:
    """Clean a mask.

    Args:
        levels: ``(H, W)`` bool mask, or uint8 levels 0 to 255 from `read_mask_levels`.
        cleaning: Steps to run.

    Raises:
        UsageError: If ``levels`` is not two-dimensional.

    Example:
        >>> import numpy as np
        >>> mask = np.zeros((20, 20), dtype=bool)
        >>> mask[5:10, 2:18] = mask[15, 15] = True
        >>> clean(mask, Cleaning(min_area_px=10))
        CleanedMask(20x20 px, 81 -> 80 crack px)
        >>> clean(mask, Cleaning(open_px=7)).emptied
        'open_px 7 leaves no crack pixel'
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
    """Clean a mask file into another file, an 8-bit PNG.

    A missing folder is created.

    Raises:
        UsageError: If there is no such file, or ``target`` is the same file.
        ImageError: If the mask cannot be read, or is a photo and no hat extracts its lines.
        OutputError: If the target cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> mask = np.zeros((20, 20), np.uint8)
        >>> mask[5:10, 2:18] = mask[15, 15] = 255
        >>> with tempfile.TemporaryDirectory() as name:
        ...     path = Path(name, "mask.png")
        ...     write_png(path, mask)
        ...     clean_file(path, path.with_name("cleaned.png"), Cleaning(min_area_px=10))
        CleanedMask(20x20 px, 81 -> 80 crack px)
    """
    if target.resolve() == path.resolve():
        raise UsageError("the output would overwrite this mask", where=path, hint="choose another output folder")
    levels = read_mask_levels(path)
    if not (cleaning.tophat_px or cleaning.blackhat_px):
        refuse_photo(levels, path, hint="give its mask, or extract lines with tophat or blackhat")
    cleaned = clean(levels, cleaning)
    make_folder(target.parent)
    write_png(target, cleaned.pixels)
    return cleaned


class _Work:
    """Mask between two steps, with the effects of the steps so far."""

    def __init__(self, plane: Plane, count_px: int) -> None:
        self.plane, self.count_px = plane, count_px
        self.steps: list[CleaningStep] = []

    def take(self, name: str, plane: Plane, why: str) -> None:
        """Record the result of a step."""
        before_px, self.plane, self.count_px = self.count_px, plane, cv2.countNonZero(plane)
        emptied = why if before_px and not self.count_px else None
        self.steps.append(CleaningStep(name, before_px, self.count_px, emptied))


def _shape(work: _Work, cleaning: Cleaning) -> None:
    """Run the steps that change the shape of components."""
    for name, operation in _SHAPERS:
        if size := getattr(cleaning, name):
            plane = apply_morphology(work.plane, operation, size_px=size, element=cleaning.element)
            work.take(name, plane, f"{size} leaves no crack pixel")
    if cleaning.fill_holes:
        work.take("fill_holes", fill_plane(work.plane, cleaning.max_hole_px), "")
    if cleaning.bridge_px:
        bridged = bridge_gaps(work.plane.view(np.bool_), max_gap_px=cleaning.bridge_px)
        work.take("bridge_px", bridged.view(np.uint8), "")


def _sift(work: _Work, cleaning: Cleaning) -> None:
    """Remove the components that fail a rule."""
    if cleaning.min_area_px:
        labels, areas = _label(work.plane)
        kept = (areas >= cleaning.min_area_px).view(np.uint8)
        kept[0] = 0
        why = _all_removed(cleaning.min_area_px, areas[1:], "the largest has {:.0f} px")
        work.take("min_area_px", np.take(kept, labels), why)
    if cleaning.min_length_px or cleaning.min_elongation or cleaning.max_distance_px is not None:
        _sift_by_length(work, cleaning)


def _label(plane: Plane) -> tuple[NDArray[np.integer], NDArray[np.int32]]:
    """Return ``(H, W)`` labels of the 8-connected components, and their areas.

    Label 0 is background. There are at most as many components as runs of pixels in rows. Few runs therefore fit
    16-bit labels, and with half the memory labelling and look-up are almost twice as fast.
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
    labels, areas = _label(work.plane)
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
    """Return the approximate skeleton length of each component.

    The lengths are accurate enough for rules, but not for reports.

    Args:
        skeleton: ``(H, W)`` bool skeleton.
        labels: ``(H, W)`` int labels of the components, 0 for background.
        count: Number of labels ``C``, that of the background included.

    Returns:
        ``(C,)`` float64 lengths by label, at least 1, in pixels.

    Source:
        Kulpa, "Area and perimeter measurement of blobs in discrete binary pictures", Computer Graphics and Image
        Processing 6 (1977) 434-451: 0.948 for a straight step, 1.340 for a diagonal one.
    """
    plane = np.pad(skeleton, ((0, 1), (1, 1)))
    here, right = plane[:-1, 1:-1], plane[:-1, 2:]
    down, down_left, down_right, left = plane[1:, 1:-1], plane[1:, :-2], plane[1:, 2:], plane[:-1, :-2]
    # A diagonal step counts only where no straight path leads around it.
    falling, rising = here & down_right & ~right & ~down, here & down_left & ~left & ~down
    total = np.ones(count)
    for step, weight in ((here & right, 0.948), (here & down, 0.948), (falling, 1.340), (rising, 1.340)):
        total += weight * np.bincount(labels[step], minlength=count)
    return total


def _distances(labels: NDArray[np.integer], anchors: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the distance of each label from the nearest anchor, in pixels."""
    least = np.full(anchors.size, np.inf)
    if anchors.any():
        away = 1 - np.take(anchors.view(np.uint8), labels)
        distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        pixels = np.nonzero(labels)
        np.minimum.at(least, labels[pixels], distance[pixels])
    return least
