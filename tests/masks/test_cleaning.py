"""Test cleaning against scikit-image, SciPy and a plain loop over labels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage
from skimage import morphology

from crackseg.errors import UsageError
from crackseg.imaging.codec import read_mask_levels, write_png
from crackseg.masks.cleaning import Cleaning, choose_cleaning, clean, clean_file, preset
from crackseg.masks.gaps import bridge_gaps, find_ends
from crackseg.masks.morphology import Element, Operation, apply_morphology, fill_holes

Mask = NDArray[np.bool_]

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))
LEVELS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24)))


def footprint(element: Element, size: int) -> Mask:
    if element == "rectangle":
        return np.ones((size, size), np.bool_)
    if element == "cross":
        cross = np.zeros((size, size), np.bool_)
        cross[size // 2], cross[:, size // 2] = True, True
        return cross
    rows, cols = np.mgrid[0:size, 0:size] - size // 2
    widths = np.rint((size // 2) * np.sqrt(1 - (rows / (size // 2)) ** 2))
    return np.asarray(np.abs(cols) <= widths)


def line_mask(shape: tuple[int, int], *lines: tuple[int, int, int, int, int]) -> Mask:
    """Draw lines with square ends: row, column, row, column, width each."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(float)
    mask = np.zeros(shape, np.bool_)
    for row0, col0, row1, col1, width in lines:
        length = np.hypot(row1 - row0, col1 - col0)
        down, right = (row1 - row0) / length, (col1 - col0) / length
        along, across = (rows - row0) * down + (cols - col0) * right, (rows - row0) * right - (cols - col0) * down
        mask |= (along >= 0) & (along <= length) & (np.abs(across) <= width / 2)
    return mask


# Morphology


@pytest.mark.parametrize("element", ["rectangle", "ellipse", "cross"])
@pytest.mark.parametrize("operation", ["erode", "dilate", "open", "close", "tophat", "blackhat"])
@given(levels=LEVELS, size=st.sampled_from([3, 5, 7]))
def test_morphology_is_that_of_scikit_image(
    operation: Operation, element: Element, levels: NDArray[np.uint8], size: int
) -> None:
    shape, ignore = footprint(element, size), {"mode": "ignore"}
    oracle: dict[str, Any] = {
        "erode": morphology.erosion,
        "dilate": morphology.dilation,
        "open": morphology.opening,
        "close": morphology.closing,
        "tophat": morphology.white_tophat,
        "blackhat": morphology.black_tophat,
    }
    expected = oracle[operation](levels, shape, **ignore)
    np.testing.assert_array_equal(apply_morphology(levels, operation, size_px=size, element=element), expected)


@given(MASKS)
def test_opening_never_adds_and_closing_never_removes(mask: Mask) -> None:
    assert not (clean(mask, Cleaning(open_px=3)).mask & ~mask).any()
    assert not (mask & ~clean(mask, Cleaning(close_px=5)).mask).any()


def test_the_top_hat_keeps_thin_lines_and_drops_wide_patches() -> None:
    mask = line_mask((60, 80), (10, 5, 10, 70, 3))
    mask[25:55, 20:60] = True
    kept = clean(mask, Cleaning(tophat_px=9)).mask
    np.testing.assert_array_equal(kept[:20], mask[:20])
    assert kept[30:50, 25:55].sum() == 0


def test_the_black_hat_finds_dark_lines_in_an_image() -> None:
    line = line_mask((60, 80), (10, 5, 50, 70, 3))
    image = np.where(line, 40, 180).astype(np.uint8)
    np.testing.assert_array_equal(clean(image, Cleaning(blackhat_px=9, level=100)).mask, line)


# Holes


@given(MASKS)
def test_holes_are_filled_as_scipy_fills_them(mask: Mask) -> None:
    np.testing.assert_array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


@given(MASKS, st.integers(0, 12))
def test_holes_above_a_size_stay(mask: Mask, largest: int) -> None:
    holes, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    expected = mask.copy()
    for hole in range(1, count + 1):
        if (holes == hole).sum() <= largest:
            expected |= holes == hole
    np.testing.assert_array_equal(fill_holes(mask, max_hole_px=largest), expected)


# Components


@given(MASKS, st.integers(1, 30))
def test_small_components_go_as_with_the_plain_loop_over_labels(mask: Mask, least: int) -> None:
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    expected = np.zeros_like(mask)
    for label in range(1, count + 1):
        if (labels == label).sum() >= least:
            expected |= labels == label
    np.testing.assert_array_equal(clean(mask, Cleaning(min_area_px=least)).mask, expected)


@pytest.mark.parametrize("spacing", [3, 5], ids=["more labels than 16 bits hold", "fewer"])
def test_very_many_components_are_distinguished(spacing: int) -> None:
    mask = np.zeros((1024, 1024), np.bool_)
    mask[::spacing, ::spacing] = True
    mask[0, :2] = True
    kept = clean(mask, Cleaning(min_area_px=2)).mask
    assert [int(kept.sum()), bool(kept[0, 0]), bool(kept[0, 1])] == [2, True, True]


@pytest.mark.parametrize("dots", range(65_530, 65_540))
def test_no_number_of_components_overflows_the_labels(dots: int) -> None:
    mask = np.zeros((512, 520), np.bool_)
    every = np.zeros((256, 260), np.bool_)
    every.ravel()[:dots] = True
    mask[::2, ::2] = every
    assert int(clean(mask, Cleaning(min_area_px=1)).mask.sum()) == dots


def test_short_components_go_and_long_thin_ones_stay_regardless_of_area() -> None:
    mask = line_mask((100, 200), (10, 10, 10, 150, 1))
    mask[50:70, 50:70] = True
    kept = clean(mask, Cleaning(min_length_px=60)).mask
    np.testing.assert_array_equal(kept[:20], mask[:20])
    assert not kept[20:].any()


def test_elongation_separates_a_bent_crack_from_a_blotch() -> None:
    mask = line_mask((120, 200), (10, 10, 10, 90, 3), (10, 90, 60, 90, 3), (60, 90, 60, 20, 3))
    cv2.circle(mask.view(np.uint8), (150, 90), 20, 1, -1)
    kept = clean(mask, Cleaning(min_elongation=10)).mask
    np.testing.assert_array_equal(kept[:, :110], mask[:, :110])
    assert not kept[:, 110:].any()


SCENE = line_mask((100, 300), (50, 10, 50, 150, 3), (50, 160, 50, 175, 3), (10, 280, 10, 290, 3), (90, 20, 90, 120, 3))
"""A long crack, a piece 8 px from its end, a speck far away, and a second crack not quite as long."""


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        pytest.param({"max_distance_px": 20}, [True, True, False, False], id="only the longest is long"),
        pytest.param({"max_distance_px": 5}, [True, False, False, False], id="too near"),
        pytest.param({"max_distance_px": 20, "long_px": 80}, [True, True, False, True], id="two are long"),
        pytest.param({"max_distance_px": 250}, [True, True, True, True], id="far enough"),
        pytest.param({"max_distance_px": 20, "min_length_px": 50}, [True, False, False, False], id="after the length"),
    ],
)
def test_components_far_from_a_longer_one_go(settings: dict[str, Any], kept: list[bool]) -> None:
    left = clean(SCENE, dataclasses.replace(Cleaning(), **settings)).mask
    assert [bool(left[spot]) for spot in ((50, 50), (50, 170), (10, 285), (90, 60))] == kept
    assert not (left & ~SCENE).any()


@given(MASKS, st.floats(0, 12))
def test_what_stays_is_within_the_distance_of_a_longest_component(mask: Mask, reach: float) -> None:
    left = clean(mask, Cleaning(max_distance_px=reach)).mask
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    whole = [label for label in range(1, count + 1) if (left[labels == label]).all()]
    assert int(left.sum()) == sum(int((labels == label).sum()) for label in whole)
    assert bool(whole) == bool(mask.any())


# Gaps


@pytest.mark.parametrize("angle_deg", [0, 20, 45, 70, 90, 110, 135, 160])
@pytest.mark.parametrize("width", [1, 3, 6, 14])
def test_a_cut_in_a_line_at_any_angle_is_closed_and_nothing_else_changes(angle_deg: int, width: int) -> None:
    along = np.array([-np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))])
    points = [np.rint(100 + along * place).astype(int) for place in (-80, -7, 7, 80)]
    first, second = (*points[0], *points[1], width), (*points[2], *points[3], width)
    cut = line_mask((201, 201), first, second)
    assert ndimage.label(cut, structure=np.ones((3, 3)))[1] == 2
    bridged = bridge_gaps(cut, max_gap_px=16)
    assert ndimage.label(bridged, structure=np.ones((3, 3)))[1] == 1
    added = np.argwhere(bridged & ~cut) - 100
    assert np.abs(added @ along).max() <= 10
    assert np.abs(added @ [along[1], -along[0]]).max() <= width / 2 + 1
    np.testing.assert_array_equal(bridge_gaps(cut, max_gap_px=8), cut)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(((50, 10, 50, 60, 3), (58, 10, 58, 60, 3)), id="side by side"),
        pytest.param(((50, 10, 50, 60, 3), (60, 66, 95, 66, 3)), id="round a corner"),
        pytest.param(((50, 10, 50, 60, 3), (55, 50, 55, 95, 3)), id="past each other"),
        pytest.param(((50, 10, 50, 40, 3), (50, 75, 50, 95, 3)), id="too far"),
        pytest.param(((50, 10, 50, 60, 3), (50, 66, 50, 68, 3)), id="a speck has no direction"),
    ],
)
def test_ends_that_do_not_point_at_each_other_are_not_joined(lines: tuple[tuple[int, int, int, int, int], ...]) -> None:
    mask = line_mask((100, 100), *lines)
    np.testing.assert_array_equal(bridge_gaps(mask, max_gap_px=20), mask)


def test_each_end_is_joined_once_and_to_the_nearest() -> None:
    mask = line_mask((60, 200), (30, 10, 30, 60, 3), (30, 70, 30, 120, 3), (30, 128, 30, 190, 3))
    bridged = bridge_gaps(mask, max_gap_px=15)
    assert ndimage.label(bridged, structure=np.ones((3, 3)))[1] == 1
    np.testing.assert_array_equal(bridged.any(axis=1), mask.any(axis=1))


@given(MASKS, st.floats(0, 20))
def test_bridging_never_removes_and_never_adds_components(mask: Mask, gap: float) -> None:
    bridged = bridge_gaps(mask, max_gap_px=gap)
    assert not (mask & ~bridged).any()
    eight = np.ones((3, 3))
    assert ndimage.label(bridged, structure=eight)[1] <= ndimage.label(mask, structure=eight)[1]


def test_the_ends_of_a_line_point_outwards_from_its_tips() -> None:
    ends = find_ends(line_mask((60, 120), (30, 20, 30, 90, 5)))
    order = np.argsort(ends.tips[:, 1])
    np.testing.assert_allclose(ends.directions[order], [[0, -1], [0, 1]], atol=0.1)
    np.testing.assert_allclose(ends.tips[order], [[30, 20], [30, 90]], atol=1.6)
    np.testing.assert_allclose(ends.widths_px, 5, atol=1)


@pytest.mark.parametrize("angle_deg", [0, 30, 45, 80])
def test_a_bulge_in_the_side_of_a_crack_is_no_end(angle_deg: int) -> None:
    rows, cols = np.mgrid[0:160, 0:160] - 80.0
    along = -rows * np.sin(np.radians(angle_deg)) + cols * np.cos(np.radians(angle_deg))
    across = rows * np.cos(np.radians(angle_deg)) + cols * np.sin(np.radians(angle_deg))
    bulge = (np.abs(along) < 3) & (across > 0) & (across < 9)
    assert len(find_ends((np.abs(along) < 60) & (np.abs(across) < 4) | bulge).tips) == 2


# The whole


def grey_strokes() -> NDArray[np.uint8]:
    rng = np.random.default_rng(4)
    levels = np.zeros((120, 160), np.uint8)
    for _ in range(60):
        row, col, high, wide = rng.integers(0, [110, 150, 12, 12])
        levels[row : row + high, col : col + wide] = rng.integers(128, 256)
    levels[rng.integers(0, 120, 200), rng.integers(0, 160, 200)] = 255
    return levels


def test_the_classic_preset_is_the_classic_code() -> None:
    levels = grey_strokes()
    opened = cv2.morphologyEx((levels >= 128).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    expected = np.zeros_like(levels)
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] > 50:
            expected[labels == label] = levels[labels == label]
    cleaned = clean(levels, preset("classic"))
    np.testing.assert_array_equal(cleaned.pixels, expected)
    np.testing.assert_array_equal(cleaned.mask, expected > 0)
    assert 0 < np.count_nonzero(expected) < np.count_nonzero(levels)
    assert cleaned.emptied is None


@given(LEVELS)
def test_a_cleaning_of_nothing_is_the_mask(levels: NDArray[np.uint8]) -> None:
    cleaned = clean(levels, Cleaning())
    np.testing.assert_array_equal(cleaned.mask, levels >= 128)
    np.testing.assert_array_equal(cleaned.pixels, np.where(levels >= 128, 255, 0))
    assert cleaned.steps == ()


@given(MASKS)
def test_cleaning_does_not_change_its_input(mask: Mask) -> None:
    before = mask.copy()
    everything = Cleaning(
        erode_px=3, dilate_px=3, open_px=3, close_px=3, fill_holes=True, bridge_px=5, min_area_px=2, min_length_px=2,
        min_elongation=1, max_distance_px=5, texture=True,
    )  # fmt: skip
    clean(mask, everything)
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"open_px": 7}, "open_px 7 leaves no crack pixel", id="opening"),
        pytest.param({"erode_px": 9}, "erode_px 9 leaves no crack pixel", id="erosion"),
        pytest.param(
            {"min_area_px": 500}, "min_area_px 500 removes all 2 components; the largest has 183 px", id="area"
        ),
        pytest.param({"min_length_px": 99}, "min_length_px 99 removes all 2 components; the longest has ", id="length"),
        pytest.param(
            {"min_elongation": 90},
            "min_elongation 90 removes all 2 components; the most elongated has",
            id="elongation",
        ),
        pytest.param(
            {"max_distance_px": 5, "long_px": 300},
            "max_distance_px finds no component of 300 px or longer",
            id="distance",
        ),
        pytest.param(
            {"min_area_px": 100, "min_length_px": 80},
            "min_length_px 80 removes the only component; the longest has",
            id="the last of two",
        ),
    ],
)
def test_a_step_that_leaves_nothing_reports_the_reason(settings: dict[str, Any], says: str) -> None:
    mask = line_mask((60, 100), (10, 10, 10, 70, 3), (40, 10, 40, 30, 3))
    cleaned = clean(mask, dataclasses.replace(Cleaning(), **settings))
    assert not cleaned.mask.any()
    assert cleaned.emptied is not None
    assert cleaned.emptied.startswith(says)
    assert cleaned.to_dict()["emptied"] == cleaned.emptied


def test_an_empty_mask_stays_empty_without_a_warning() -> None:
    everything = Cleaning(open_px=3, fill_holes=True, bridge_px=9, min_area_px=9, min_length_px=9, max_distance_px=9)
    cleaned = clean(np.zeros((20, 30), np.bool_), everything)
    assert not cleaned.mask.any()
    assert cleaned.emptied is None


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"open_px": 4}, id="even size"),
        pytest.param({"close_px": -3}, id="negative size"),
        pytest.param({"level": 0}, id="level of nothing"),
        pytest.param({"level": 256}, id="level beyond white"),
        pytest.param({"min_area_px": -1}, id="negative area"),
        pytest.param({"min_length_px": float("nan")}, id="length that is no number"),
        pytest.param({"long_px": 20}, id="long without a distance"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(settings))}: "):
        Cleaning(**settings)


def test_a_colour_image_is_refused() -> None:
    with pytest.raises(UsageError, match=r"shape \(H, W\)"):
        clean(np.zeros((4, 5, 3), np.uint8), Cleaning())


def test_a_cleaned_mask_shows_its_counts_in_one_line_and_its_steps_as_rows() -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[5:10, 2:18] = mask[15, 15] = True
    cleaned = clean(mask, Cleaning(open_px=3, min_area_px=10))
    assert repr(cleaned) == "CleanedMask(20x30 px, 81 -> 80 crack px)"
    assert [(row["name"], row["before_px"], row["after_px"]) for row in cleaned.rows()] == [
        ("open_px", 81, 80),
        ("min_area_px", 80, 80),
    ]
    assert cleaned.rows() == cleaned.to_dict()["steps"]


# Files and presets


def test_a_mask_file_is_cleaned_into_a_new_folder(tmp_path: Path) -> None:
    levels = grey_strokes()
    write_png(tmp_path / "mask.png", levels)
    target = tmp_path / "cleaned" / "mask.png"
    cleaned = clean_file(tmp_path / "mask.png", target, preset("classic"))
    np.testing.assert_array_equal(read_mask_levels(target), cleaned.pixels)
    np.testing.assert_array_equal(cleaned.pixels, clean(levels, preset("classic")).pixels)


def test_a_mask_file_is_never_overwritten_by_its_cleaned_mask(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    write_png(path, grey_strokes())
    before = path.read_bytes()
    with pytest.raises(UsageError, match="would overwrite"):
        clean_file(path, tmp_path / "." / "mask.png", Cleaning())
    assert path.read_bytes() == before


def test_settings_replace_fields_of_the_preset_or_of_the_default() -> None:
    assert choose_cleaning(None, {}) == Cleaning(open_px=3, min_area_px=50)
    assert choose_cleaning(None, {"open_px": 0, "level": None}) == Cleaning(min_area_px=50)
    assert choose_cleaning(None, {"element": "cross", "texture": True}) == Cleaning(
        element="cross", open_px=3, min_area_px=50, texture=True
    )
    assert choose_cleaning("classic", {"min_area_px": 7}) == Cleaning(open_px=3, min_area_px=7, texture=True)
    with pytest.raises(UsageError, match="open_px"):
        choose_cleaning("classic", {"open_px": 2})


STEPS: list[dict[str, Any]] = [
    {"tophat_px": 3},
    {"blackhat_px": 3},
    {"level": 1},
    {"erode_px": 3},
    {"dilate_px": 3},
    {"open_px": 5},
    {"close_px": 3},
    {"fill_holes": True},
    {"bridge_px": 4.0},
    {"min_area_px": 20},
    {"min_length_px": 2.0},
    {"min_elongation": 2.0},
    {"max_distance_px": 4.0},
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: next(iter(step)))
def test_a_step_that_is_asked_runs_without_the_default_steps(step: dict[str, Any]) -> None:
    assert choose_cleaning(None, step) == Cleaning(**step)
    assert choose_cleaning(None, {**step, "element": "cross"}) == Cleaning(**step, element="cross")
