"""Test predictions at several sizes: place, tiles, memory and fusion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.geometry import Region
from crackseg.imaging.codec import ArrayImage
from crackseg.prediction.scales import BAND_PX, ScaledImage, fuse_logits, iter_fused_bands, predict_scales
from crackseg.prediction.tiled import TileLimits
from crackseg.runtimes.predictor import TileMemoryError
from tests.local_network import LocalNetwork

Pixels = NDArray[np.uint8]
Probability = NDArray[np.float32]

EVERY_SCALE = (0.5, 0.75, 1.0, 1.5, 2.0)


class Darkness:
    """A network whose crack probability of a pixel is its darkness, so that only resizing can move a crack."""

    stride, context = 4, 2

    def __init__(self) -> None:
        self.largest_px = 0

    def __call__(self, pixels: Pixels, /) -> Probability:
        self.largest_px = max(self.largest_px, pixels.shape[1] * pixels.shape[2])
        return np.asarray(1 - pixels.mean(axis=3) / 255, dtype=np.float32)


class LittleMemory(Darkness):
    """Finds no memory for inputs of more than a number of pixels."""

    def __init__(self, most_px: int) -> None:
        super().__init__()
        self.most_px, self.refused = most_px, 0

    def __call__(self, pixels: Pixels, /) -> Probability:
        if pixels.shape[1] * pixels.shape[2] > self.most_px:
            self.refused += 1
            raise TileMemoryError("no memory")
        return super().__call__(pixels)


def noise(shape: tuple[int, int], seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def line_image(shape: tuple[int, int], *, centre_px: float, sigma_px: float = 2.0) -> Pixels:
    """A dark upright line with a known centre."""
    cols = np.arange(shape[1])
    dark = 200 * np.exp(-((cols - centre_px) ** 2) / (2 * sigma_px**2))
    return np.repeat(np.tile(np.rint(255 - dark).astype(np.uint8), (shape[0], 1))[..., None], 3, axis=2)


def centroid_px(probability: Probability) -> NDArray[np.float64]:
    """The centre of the probability in each row, above the ground."""
    weights = np.where(probability > 0.05, probability, 0).astype(np.float64)
    return np.asarray((weights * np.arange(probability.shape[1])).sum(axis=1) / weights.sum(axis=1))


@settings(max_examples=40, deadline=None)
@given(
    centre_px=st.floats(20, 60),
    shape=st.tuples(st.integers(20, 90), st.integers(81, 90)),
    scale=st.sampled_from(EVERY_SCALE),
    transposed=st.booleans(),
)
def test_a_line_stays_in_its_place_at_every_size(
    centre_px: float, shape: tuple[int, int], scale: float, *, transposed: bool
) -> None:
    """Oracle: the centre from which the line is drawn."""
    pixels = line_image(shape, centre_px=centre_px)
    image = ArrayImage(np.ascontiguousarray(pixels.swapaxes(0, 1)) if transposed else pixels)
    probability = predict_scales(image, Darkness(), TileLimits(), scales=(scale,)).probability
    centres = centroid_px(probability.T if transposed else probability)
    np.testing.assert_allclose(centres, centre_px, atol=0.1)


def test_the_mask_of_a_fused_line_does_not_shift() -> None:
    for centre_px in (40.0, 40.25, 40.5, 40.75):
        image = ArrayImage(line_image((33, 91), centre_px=centre_px, sigma_px=3.0))
        probability = predict_scales(image, Darkness(), TileLimits()).probability
        np.testing.assert_allclose(centroid_px(probability), centre_px, atol=0.1)
        left, right = np.nonzero(probability[10] >= 0.4)[0][[0, -1]]
        assert abs((left + right) / 2 - centre_px) <= 0.5, centre_px


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    scale=st.sampled_from(EVERY_SCALE),
    edges=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_a_region_of_a_resized_image_is_that_of_the_whole(
    shape: tuple[int, int], scale: float, edges: tuple[float, float, float, float]
) -> None:
    image = ScaledImage(ArrayImage(noise(shape)), scale)
    height, width = image.shape
    row0, row1 = sorted(round(edge * height) for edge in edges[:2])
    col0, col1 = sorted(round(edge * width) for edge in edges[2:])
    region = Region(min(row0, height - 1), min(col0, width - 1), max(row1, row0 + 1), max(col1, col0 + 1))
    region = Region(region.row0, region.col0, min(region.row1, height), min(region.col1, width))
    whole = image.read(Region(0, 0, height, width))
    assert whole.shape == (height, width, 3)
    np.testing.assert_array_equal(image.read(region), whole[region.slices()])


@settings(max_examples=15, deadline=None)
@given(shape=st.tuples(st.integers(1, 600), st.integers(1, 90)), tile=st.integers(40, 80))
def test_tiles_do_not_change_the_fused_probability(shape: tuple[int, int], tile: int) -> None:
    image, network = ArrayImage(noise(shape)), LocalNetwork(5, 4)
    whole = predict_scales(image, network, TileLimits()).probability
    assert whole.shape == shape
    np.testing.assert_allclose(predict_scales(image, network, TileLimits(tile)).probability, whole, atol=1e-6)


def test_bands_are_those_of_the_whole_image() -> None:
    image, network, limits = ArrayImage(noise((700, 40))), LocalNetwork(5, 4), TileLimits(64)
    whole = predict_scales(image, network, limits).probability
    bands = list(iter_fused_bands(image, network, limits))
    assert [start for start, _ in bands] == list(range(0, 700, BAND_PX))
    np.testing.assert_array_equal(np.concatenate([band for _, band in bands]), whole)


def test_an_enlarged_image_stays_within_the_memory_for_a_tile() -> None:
    image, network = ArrayImage(noise((300, 300))), Darkness()
    limits = TileLimits(memory_gib=280 * 100**2 / 2**30)
    predict_scales(image, network, limits)
    assert 80**2 < network.largest_px <= 100**2


def test_no_memory_for_a_tile_leads_to_smaller_tiles_and_the_same_probability() -> None:
    image, network = ArrayImage(noise((200, 150))), LittleMemory(120**2)
    answer = predict_scales(image, network, TileLimits()).probability
    assert network.refused > 0
    np.testing.assert_allclose(answer, predict_scales(image, Darkness(), TileLimits()).probability, atol=1e-6)
    with pytest.raises(TileMemoryError):
        predict_scales(image, LittleMemory(4), TileLimits())


def test_probabilities_are_fused_by_the_mean_of_their_logits() -> None:
    """Oracle: the geometric mean of the odds."""
    parts = np.random.default_rng(0).uniform(0.01, 0.99, (4, 5, 6)).astype(np.float32)
    odds = np.prod(parts.astype(np.float64) / (1 - parts.astype(np.float64)), axis=0) ** 0.25
    np.testing.assert_allclose(fuse_logits(parts), odds / (1 + odds), rtol=1e-5)
    extremes = np.array([0, 1, 1, 1], np.float32)[:, None, None]
    assert 0.9 < fuse_logits(extremes)[0, 0] < 1
    assert fuse_logits(np.zeros((4, 1, 1), np.float32))[0, 0] < 0.001
