"""The trained model that ships: whichever way an image is cut, its probability is the same to 1e-4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.imaging.codec import ArrayImage
from crackseg.prediction.loading import find_model
from crackseg.prediction.seams import measure_seams
from crackseg.prediction.tiled import BYTES_PER_PX, TileLimits, predict_probability
from crackseg.runtimes.onnx import OnnxPredictor
from data_gen import Recipe, generate_sample

Pixels = NDArray[np.uint8]

SEAM = 1e-4
"""Largest difference in probability between an image cut up and in one piece."""


@pytest.fixture(scope="module")
def model() -> OnnxPredictor:
    file = find_model()
    return OnnxPredictor(file.read(), name=file.name, threads=1)


@pytest.fixture(scope="module")
def wall() -> Pixels:
    """A generated wall of 1024 x 1024 pixels with cracks all over."""
    return generate_sample(Recipe(size=1024), seed=4, index=2).image


def strip(pixels: Pixels, corner: tuple[int, int], shape: tuple[int, int]) -> ArrayImage:
    """A long, narrow part of an image: many tiles, few pixels."""
    row, col = (min(place, side - size) for place, side, size in zip(corner, pixels.shape, shape, strict=False))
    return ArrayImage(np.ascontiguousarray(pixels[row : row + shape[0], col : col + shape[1]]))


@settings(max_examples=6)
@given(
    long=st.integers(720, 1024),
    narrow=st.integers(1, 70),
    standing=st.booleans(),
    corner=st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
    room=st.integers(0, 9),
    by_memory=st.booleans(),
)
def test_tiles_leave_no_seam_in_the_trained_model(
    model: OnnxPredictor,
    wall: Pixels,
    long: int,
    narrow: int,
    standing: bool,  # noqa: FBT001
    corner: tuple[int, int],
    room: int,
    by_memory: bool,  # noqa: FBT001
) -> None:
    image = strip(wall, corner, (long, narrow) if standing else (narrow, long))
    side = 2 * -(-model.context // model.stride) * model.stride + model.stride * (1 + room)
    limits = TileLimits(side_px=side)
    if by_memory:
        plan = limits.plan(image.shape, model)
        limits = TileLimits(memory_gib=(plan.largest_px + 1) * BYTES_PER_PX / 2**30)
    tiled = predict_probability(image, model, tile_size=limits.side_px, memory_gib=limits.memory_gib)
    assert np.abs(tiled - predict_probability(image, model)).max() <= SEAM


@dataclass(frozen=True)
class Shortsighted:
    """The same network with less context than it needs."""

    network: OnnxPredictor
    context: int

    @property
    def stride(self) -> int:
        return self.network.stride

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        return self.network(pixels)


def test_with_128_px_of_context_the_same_check_fails(model: OnnxPredictor, wall: Pixels) -> None:
    image = strip(wall, (0, 0), (160, 1024))
    whole = predict_probability(image, model)
    seams = {
        context: float(np.abs(predict_probability(image, Shortsighted(model, context), tile_size=800) - whole).max())
        for context in (128, model.context)
    }
    assert seams[128] > 10 * SEAM
    assert seams[model.context] <= SEAM


class Glancing:
    """Compares each pixel with the mean of all it is shown, as squeeze-excite does."""

    stride, context = 4, 8

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        grey = pixels.mean(axis=3) / 255
        return np.asarray(np.clip(0.5 + grey.mean(axis=(1, 2), keepdims=True) - grey, 0, 1), np.float32)


def test_where_no_context_is_enough_the_seams_are_measured() -> None:
    pixels = np.full((40, 120, 3), 100, np.uint8)
    pixels[:, 60:] = 200
    seams = measure_seams(Glancing(), ArrayImage(pixels), threshold=0.5)
    assert seams.context_px == 8
    assert seams.difference == pytest.approx(50 / 255, abs=0.02)
    assert 0.2 < seams.changed <= 1
    with pytest.raises(ValueError, match="more than 24 px"):
        measure_seams(Glancing(), ArrayImage(pixels[:20, :20]), threshold=0.5)


def test_a_network_with_a_finite_context_has_none(model: OnnxPredictor, wall: Pixels) -> None:
    seams = measure_seams(model, strip(wall, (300, 0), (30, 900)), threshold=0.3)
    assert seams.difference <= SEAM
    assert seams.changed == 0
