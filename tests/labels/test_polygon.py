"""Tests of polygons: exact round trips, and both fill rules against their libraries."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as cocotools

from crackseg.errors import LabelError
from crackseg.labels.polygon import Ring, Rule, fill_rings, trace_rings
from tests.labels.strategies import masks

# pycocotools passes arrays to NumPy 2 in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RULES: tuple[Rule, ...] = ("centre", "touch")


def filled_by_pycocotools(ring: Ring, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill a ring with pycocotools."""
    rle = cocotools.frPyObjects([ring[:, ::-1].ravel().tolist()], *shape)
    return np.asarray(cocotools.decode(rle[0])).astype(np.bool_)


@st.composite
def rings(draw: st.DrawFn) -> tuple[Ring, tuple[int, int]]:
    """Draw random polygons that may cross themselves and leave the image."""
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points = (rng.random((draw(st.integers(3, 12)), 2)) * 1.6 - 0.3) * shape
    steps = draw(st.sampled_from([1.0, 2.0, None]))
    return points if steps is None else np.round(points * steps) / steps, shape


@pytest.mark.parametrize("rule", RULES)
@given(mask=masks())
def test_filling_an_outline_restores_the_mask_with_every_hole(rule: Rule, mask: NDArray[np.bool_]) -> None:
    assert np.array_equal(fill_rings(trace_rings(mask, rule), mask.shape, rule), mask)


@pytest.mark.parametrize("rule", RULES)
@given(mask=masks())
def test_each_8_connected_component_has_one_ring(rule: Rule, mask: NDArray[np.bool_]) -> None:
    parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
    assert len(trace_rings(mask, rule)) == parts


@given(masks())
def test_pycocotools_fills_the_outlines_to_the_same_mask(mask: NDArray[np.bool_]) -> None:
    filled = np.zeros_like(mask)
    for ring in trace_rings(mask, "centre"):
        filled |= filled_by_pycocotools(ring, mask.shape)
    assert np.array_equal(filled, mask)


@given(rings())
def test_the_rule_centre_equals_pycocotools_to_the_pixel(polygon: tuple[Ring, tuple[int, int]]) -> None:
    ring, shape = polygon
    assert np.array_equal(fill_rings([ring], shape, "centre"), filled_by_pycocotools(ring, shape))


def test_nested_holes_are_kept() -> None:
    mask = np.zeros((13, 13), np.bool_)
    for inset in range(0, 6, 2):
        mask[inset : 13 - inset, inset : 13 - inset] = True
        mask[inset + 1 : 12 - inset, inset + 1 : 12 - inset] = False
    for rule in RULES:
        traced = trace_rings(mask, rule)
        assert len(traced) == 3
        assert np.array_equal(fill_rings(traced, mask.shape, rule), mask)


@pytest.mark.parametrize(
    ("rule", "points"),
    [
        pytest.param("centre", [[1, 2], [1, 3], [2, 3], [2, 2]], id="its four corners"),
        pytest.param("touch", [[1.5, 2.5]], id="its centre"),
    ],
)
def test_a_single_pixel_has_an_outline(rule: Rule, points: list[list[float]]) -> None:
    mask = np.zeros((4, 5), np.bool_)
    mask[1, 2] = True
    (ring,) = trace_rings(mask, rule)
    assert ring.tolist() == points


def test_a_rectangle_has_four_points() -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[2:6, 3:8] = True
    (ring,) = trace_rings(mask, "centre")
    assert sorted(ring.tolist()) == [[2, 3], [2, 8], [6, 3], [6, 8]]


@pytest.mark.parametrize("rule", RULES)
def test_simplifying_removes_points_within_the_tolerance(rule: Rule) -> None:
    mask = np.zeros((200, 200), np.uint8)
    cv2.ellipse(mask, (100, 100), (80, 40), 30, 0, 360, 1, -1)
    (exact,) = trace_rings(mask.astype(np.bool_), rule)
    (fewer,) = trace_rings(mask.astype(np.bool_), rule, simplify_px=2)
    assert len(fewer) < len(exact) / 4
    assert {tuple(point) for point in fewer.tolist()} <= {tuple(point) for point in exact.tolist()}
    changed = fill_rings([fewer], (200, 200), rule) != mask.astype(np.bool_)
    inner = cv2.erode(mask, np.ones((7, 7), np.uint8)).astype(np.bool_)
    outer = cv2.dilate(mask, np.ones((7, 7), np.uint8)).astype(np.bool_)
    assert changed.any()
    assert not (changed & (inner | ~outer)).any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("point", [(float("nan"), 1.0), (1.0, float("inf")), (1e9, 1.0), (1.0, -41.0)])
def test_a_point_far_outside_the_image_is_refused(rule: Rule, point: tuple[float, float]) -> None:
    ring = np.array([(0.0, 0.0), point, (3.0, 3.0)])
    with pytest.raises(LabelError, match=r"line 3: point 2 .* lies far outside the image of 20x40"):
        fill_rings([ring], (20, 40), rule, name="line 3")


def test_a_very_long_outline_is_refused() -> None:
    zigzag = np.zeros((60_000, 2))
    zigzag[::2, 1] = 1000
    with pytest.raises(LabelError, match="too long"):
        fill_rings([zigzag], (10, 1000), "centre")


@pytest.mark.parametrize("rule", RULES)
def test_no_rings_give_an_empty_mask(rule: Rule) -> None:
    assert trace_rings(np.zeros((3, 4), np.bool_), rule) == []
    assert not fill_rings([], (3, 4), rule).any()
