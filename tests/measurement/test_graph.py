"""Test skeleton graphs against known shapes and against other libraries."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from crackseg.measurement.crack import measure_cracks
from crackseg.measurement.skeleton import skeletonise
from tests.measurement.test_skeleton import blobs, holes_and_pieces, pieces_of

Mask = NDArray[np.bool_]


def star(angles_deg: list[float], *, length: float = 80, width: float = 5.0) -> Mask:
    """Draw arms from the middle, each at an angle."""
    return np.asarray(arm_distances(angles_deg, length) <= width / 2)


def arm_distances(angles_deg: list[float], length: float) -> NDArray[np.float64]:
    """Return the distance of each pixel from the nearest arm."""
    rows, cols = np.mgrid[-100:101, -100:101].astype(np.float64)
    distances = []
    for angle in np.radians(angles_deg):
        along = np.clip(cols * math.cos(angle) - rows * math.sin(angle), 0, length)
        distances.append(np.hypot(cols - along * math.cos(angle), rows + along * math.sin(angle)))
    return np.asarray(np.min(distances, axis=0))


def ring(width: int = 5) -> Mask:
    return np.asarray(cv2.circle(np.zeros((201, 201), np.uint8), (100, 100), 60, (1,), width) > 0)


def grid() -> Mask:
    """Draw two by two meshes."""
    drawn = np.zeros((201, 201), np.bool_)
    for at in (30, 100, 170):
        drawn[at - 2 : at + 3, 28:173] = drawn[28:173, at - 2 : at + 3] = True
    return drawn


@pytest.mark.parametrize(
    ("mask", "branches", "endpoints", "junctions", "pattern"),
    [
        pytest.param(star([0, 180]), 1, 2, 0, "single", id="line"),
        pytest.param(star([90, 210, 330]), 3, 3, 1, "branched", id="Y"),
        pytest.param(star([45, 135, 225, 315]), 4, 4, 1, "branched", id="X"),
        pytest.param(star([20, 160, 200, 340], width=9), 5, 4, 2, "branched", id="flat X, two forks"),
        pytest.param(star([0, 72, 144, 216, 288]), 5, 5, 1, "branched", id="five arms"),
        pytest.param(ring(), 1, 0, 0, "single", id="ring"),
        pytest.param(ring() | star([0, 180], length=90), 5, 2, 2, "network", id="ring crossed by a line"),
        pytest.param(grid(), 8, 0, 5, "network", id="four meshes"),
    ],
)
def test_known_shapes_have_the_graph_they_were_drawn_with(
    mask: Mask, branches: int, endpoints: int, junctions: int, pattern: str
) -> None:
    (crack,) = measure_cracks(mask)
    assert crack.pattern == pattern
    assert (crack.endpoints, crack.junctions) == (endpoints, junctions)
    assert crack.branches == branches


@pytest.mark.parametrize("arms", [[90.0, 210.0, 330.0], [45.0, 135.0, 225.0, 315.0]], ids=["Y", "X"])
def test_the_length_of_a_star_is_that_of_its_arms(arms: list[float]) -> None:
    (crack,) = measure_cracks(star(arms))
    assert crack.length_px == pytest.approx(len(arms) * 82.5, rel=0.03)
    assert crack.width.median.value == pytest.approx(5, abs=0.1)


def test_the_length_of_a_ring_is_its_circumference_and_it_has_no_tortuosity() -> None:
    (crack,) = measure_cracks(ring())
    assert crack.length_px == pytest.approx(2 * math.pi * 60, rel=0.01)
    assert crack.tortuosity is None


def test_the_tortuosity_of_half_a_circle_is_half_of_pi() -> None:
    mask = ring()
    mask[101:] = False
    (crack,) = measure_cracks(mask)
    assert crack.tortuosity == pytest.approx(math.pi / 2, rel=0.02)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), width=st.floats(5, 15), angle=st.floats(0, 180))
def test_a_rough_edge_makes_no_branches(seed: int, width: float, angle: float) -> None:
    """A line stays one line with edge errors of half a pixel."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(201, 201)), (0, 0), 1.0)
    mask = arm_distances([angle, angle + 180], 80) - width / 2 + 0.5 * noise / noise.std() <= 0
    crack = measure_cracks(np.asarray(mask))[0]
    assert (crack.pattern, crack.branches, crack.endpoints) == ("single", 1, 2)
    assert crack.length_px == pytest.approx(160 + width, rel=0.03)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), share=st.floats(0.2, 0.5))
def test_branches_less_nodes_are_holes_less_one_as_scikit_image_counts_them(seed: int, share: float) -> None:
    mask = blobs(seed, side=80, share=share)
    holes, _ = ndimage.label(~mask)
    sizes = np.bincount(holes.ravel())
    mask = mask | ((sizes[holes] < 60) & (holes > 0))
    pieces = pieces_of(mask)
    expected = []
    for number in range(1, int(pieces.max()) + 1):
        piece = np.pad(pieces == number, 1)
        expected.append((int(piece.sum()), 1 - holes_and_pieces(piece)))
    differences = []
    for crack in measure_cracks(np.asarray(mask)):
        nodes = crack.endpoints + crack.junctions
        closed = crack.endpoints + crack.junctions == 0
        differences.append((crack.area_px, crack.branches - nodes + (0 if closed else 1)))
    assert sorted(differences) == sorted(expected)


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_branches_are_those_of_skan_and_shorter_than_steps_from_pixel_to_pixel() -> None:
    """Skan's zigzag steps are up to 8 % longer than our lines.

    Our lines end at the tips, half a pixel further out.
    """
    skan = pytest.importorskip("skan", reason="skan is not installed")
    for angle in (10, 25, 40, 65, 80):
        mask = skeletonise(star([angle, angle + 120, angle + 240], width=7))
        theirs = skan.summarize(skan.Skeleton(mask), separator="_")
        (crack,) = measure_cracks(mask)
        assert (len(theirs), crack.branches) == (3, 3)
        assert 0.92 * theirs["branch_distance"].sum() < crack.length_px < theirs["branch_distance"].sum() + 4
