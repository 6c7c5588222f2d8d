"""Test joined masks and their measurements against scikit-image and whole images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.draw import line
from skimage.filters import apply_hysteresis_threshold
from skimage.measure import label, regionprops
from skimage.morphology import dilation, disk

from crackseg.errors import ImageError
from crackseg.geometry import Region, Scale
from crackseg.measurement import joining
from crackseg.measurement.crack import CrackMeasurement, measure_cracks
from crackseg.measurement.joining import JoinedMask, MaskJoiner, Surroundings, measure_joined
from crackseg.measurement.values import Measured

Mask = NDArray[np.bool_]
Probability = NDArray[np.float32]


def join(probability: Probability, *, height: int, threshold: float = 0.5, low: float | None = None) -> JoinedMask:
    """Join a probability added a band of rows at a time."""
    joiner = MaskJoiner(probability.shape[1], threshold=threshold, low=low)
    for row in range(0, probability.shape[0], height):
        joiner.add(probability[row : row + height])
    return joiner.finish()


def surroundings(probability: Probability, scale: Scale | None = None) -> Surroundings:
    image = np.repeat(np.uint8(200) - (150 * probability).astype(np.uint8)[..., None], 3, axis=2)
    return Surroundings(
        image=lambda region: image[region.slices()],
        probability=lambda region: probability[region.slices()],
        threshold=0.5,
        scale=scale,
    )


def thick_lines(*ends: tuple[int, int, int, int], shape: tuple[int, int] = (300, 400)) -> Probability:
    """Draw straight lines about 9 px wide."""
    mask = np.zeros(shape, np.bool_)
    for row0, col0, row1, col1 in ends:
        mask[line(row0, col0, row1, col1)] = True  # type: ignore[no-untyped-call]
    return np.asarray(dilation(mask, disk(4)), dtype=np.float32)  # type: ignore[no-untyped-call]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    height=st.integers(1, 17),
    low=st.sampled_from([None, 0.2, 0.45]),
)
def test_joined_components_are_those_of_scikit_image(
    seed: int, shape: tuple[int, int], height: int, low: float | None
) -> None:
    rng = np.random.default_rng(seed)
    probability = np.where(rng.random(shape) < 0.4, rng.random(shape), 0).astype(np.float32)
    joined = join(probability, height=height, low=low)
    if low is None:
        mask = probability >= 0.5
    else:  # scikit-image's own hysteresis does not connect pixels at corners
        sure, maybe = probability >= 0.5, label(probability >= low, connectivity=2)  # type: ignore[no-untyped-call]
        mask = np.isin(maybe, np.unique(maybe[sure])) & (maybe > 0)
    regions = regionprops(label(mask, connectivity=2))  # type: ignore[no-untyped-call]
    assert joined.shape == shape
    assert joined.area_px == mask.sum()
    assert sorted(zip(joined.areas().tolist(), map(tuple, joined.boxes().tolist()), strict=True)) == sorted(
        (int(region.area), region.bbox) for region in regions
    )
    np.testing.assert_array_equal(np.concatenate(list(joined.bands(7))), mask)


def test_hysteresis_follows_touching_pixels_of_scikit_image() -> None:
    probability = thick_lines((50, 50, 50, 350), (150, 50, 150, 350)) * np.float32(0.4)
    probability[50, 60] = 0.9
    expected = apply_hysteresis_threshold(probability, 0.3, 0.5)  # type: ignore[no-untyped-call]
    joined = join(probability, height=30, low=0.3)
    np.testing.assert_array_equal(joined.draw(Region(0, 0, 300, 400), range(joined.count)), expected)


def test_a_part_of_a_component_is_drawn_where_it_lies() -> None:
    probability = thick_lines((50, 50, 200, 350))
    joined = join(probability, height=64)
    region = Region(90, 120, 140, 260)
    np.testing.assert_array_equal(joined.draw(region, [0]), probability[region.slices()] > 0)
    assert not joined.draw(region, []).any()


def test_an_empty_image_has_no_components() -> None:
    for joined in (join(np.zeros((5, 9), np.float32), height=2), MaskJoiner(9, threshold=0.5).finish()):
        assert (joined.count, joined.area_px, joined.areas().size, joined.boxes().shape) == (0, 0, 0, (0, 4))
        assert measure_joined(joined, surroundings(np.zeros((5, 9), np.float32))) == ()


def test_a_mask_with_too_many_runs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_MOST_RUNS", 20)
    speckles = np.zeros((10, 10), np.float32)
    speckles[::2, ::2] = 1
    with pytest.raises(ImageError, match="more than 20 runs"):
        join(speckles, height=10)


@pytest.mark.parametrize("whole_px", [9_000_000, 20_000], ids=["blocks", "wholes"])
def test_joined_cracks_measure_like_those_of_the_whole_image(whole_px: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_WHOLE_PX", whole_px)
    monkeypatch.setattr(joining, "_BLOCK_PX", 128)
    probability = thick_lines((20, 20, 90, 60), (40, 200, 60, 350), (200, 30, 220, 120))
    around = surroundings(probability, Scale(0.5, "a ruler"))
    image = around.image(Region(0, 0, 300, 400))
    expected = measure_cracks(probability > 0, scale=around.scale, probability=probability, image=image)
    measured = measure_joined(join(probability, height=50), around)
    assert [crack.box for crack in measured] == [crack.box for crack in expected]
    for crack, other in zip(measured, expected, strict=True):
        numbers, others = (
            {name: value for name, value in item.to_row().items() if isinstance(value, (int, float))}
            for item in (crack, other)
        )
        assert numbers == pytest.approx(others, rel=1e-3)
        assert (crack.pattern, crack.width.source) == (other.pattern, other.width.source)


def measured_in_pieces(probability: Probability, monkeypatch: pytest.MonkeyPatch) -> CrackMeasurement:
    monkeypatch.setattr(joining, "_WHOLE_PX", 100)
    monkeypatch.setattr(joining, "_BLOCK_PX", 50)
    monkeypatch.setattr(joining, "_PIECE_PX", 100)
    (crack,) = measure_joined(join(probability, height=64), surroundings(probability, Scale(0.5, "a ruler", 0.1)))
    return crack


def test_a_component_in_pieces_has_the_area_and_axis_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    probability = thick_lines((20, 20, 280, 380))
    (whole,) = measure_cracks(probability > 0, probability=probability)
    crack = measured_in_pieces(probability, monkeypatch)
    assert (crack.area_px, crack.box) == (whole.area_px, whole.box)
    assert crack.orientation_deg == pytest.approx(whole.orientation_deg, abs=1e-6)
    np.testing.assert_allclose(sorted(crack.rotated_box), sorted(whole.rotated_box), atol=0.01)
    # Each of the at most five cuts extends both parts by no more than half a width.
    assert whole.length_px - 1 < crack.length_px < whole.length_px + 5 * 10
    assert crack.width_mean_px == pytest.approx(whole.width_mean_px, rel=0.05)
    assert crack.score == pytest.approx(whole.score, abs=0.02)


def test_a_component_in_pieces_leaves_out_what_pieces_cannot_give(monkeypatch: pytest.MonkeyPatch) -> None:
    crack = measured_in_pieces(thick_lines((20, 20, 280, 380)), monkeypatch)
    assert (crack.width.median, crack.width.p95, crack.tortuosity, crack.endpoints) == (Measured(), Measured(), None, 0)
    assert crack.width.cannot_measure is not None
    assert crack.width.cannot_measure.startswith("median, p95, endpoints, tortuosity")
    assert crack.flat_values()["width_median_mm"] is None
    assert crack.length_mm == pytest.approx(crack.length_px / 2)


@pytest.mark.parametrize(
    ("ends", "pattern"),
    [
        pytest.param(((20, 20, 280, 380),), "single", id="line"),
        pytest.param(((150, 20, 150, 380), (150, 150, 20, 150)), "branched", id="fork"),
        pytest.param(((30, 30, 30, 90), (30, 90, 90, 90), (90, 90, 90, 30), (90, 30, 30, 30), (60, 90, 60, 380)),
                     "network", id="mesh"),
    ],
)  # fmt: skip
def test_a_component_in_pieces_has_the_richest_pattern_of_them(
    ends: tuple[tuple[int, int, int, int], ...], pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measured_in_pieces(thick_lines(*ends), monkeypatch).pattern == pattern
