"""Test-time augmentation: a mean over likenesses that does not depend on the cut."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.imaging.codec import ArrayImage
from crackseg.prediction.tiled import predict_probability
from crackseg.prediction.tta import AveragedPredictor, TtaName, averaged, predict_averaged

Pixels = NDArray[np.uint8]


class Lopsided:
    """Looks to one side and along its own grid, so that no two likenesses of an image have the same answer."""

    stride, context = 4, 9

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        kernel = np.arange(42, dtype=np.float32).reshape(6, 7) / 861
        answers = []
        for image in pixels:
            sums = cv2.filter2D(image.mean(axis=2) / 255, -1, kernel, borderType=cv2.BORDER_CONSTANT)
            height, width = sums.shape
            cells = sums.reshape(height // 4, 4, width // 4, 4).mean(axis=(1, 3))
            answers.append(0.5 * sums + 0.5 * np.kron(cells, np.ones((4, 4))))
        return np.stack(answers).astype(np.float32)


def noise(shape: tuple[int, int], seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_the_result_is_the_mean_over_every_mirrored_or_turned_image() -> None:
    """Oracle: each mirrored or turned image by numpy."""
    pixels, network = noise((24, 32)), Lopsided()
    flips = [(slice(None, None, row), slice(None, None, col)) for row in (1, -1) for col in (1, -1)]
    mirrored = [network(np.ascontiguousarray(pixels[flip])[None])[0][flip] for flip in flips]
    mean = AveragedPredictor(network, turns=False)(pixels[None])[0]
    np.testing.assert_allclose(mean, np.mean(mirrored, axis=0), atol=1e-6)
    turned = [
        network(np.ascontiguousarray(pixels.swapaxes(0, 1)[flip])[None])[0][flip].swapaxes(0, 1) for flip in flips
    ]
    mean = AveragedPredictor(network, turns=True)(pixels[None])[0]
    np.testing.assert_allclose(mean, np.mean([*mirrored, *turned], axis=0), atol=1e-6)


@settings(max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    tile=st.integers(28, 60),
    tta=st.sampled_from(["flips", "rotations"]),
)
def test_tiles_change_nothing(shape: tuple[int, int], tile: int, tta: TtaName) -> None:
    image, network = ArrayImage(noise(shape)), averaged(Lopsided(), tta)
    tiled = predict_probability(image, network, tile_size=tile)
    np.testing.assert_allclose(tiled, predict_probability(image, network), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (61, 47)])
@pytest.mark.parametrize("tta", ["none", "flips", "rotations", "scales"])
def test_every_answer_has_the_size_of_the_image_and_lies_between_0_and_1(shape: tuple[int, int], tta: TtaName) -> None:
    answer = predict_averaged(noise(shape), Lopsided(), tta=tta)
    assert answer.shape == shape
    assert answer.dtype == np.float32
    assert 0 <= answer.min() <= answer.max() <= 1.01


def test_a_mirrored_image_has_the_mirrored_answer() -> None:
    pixels, network = noise((40, 56)), Lopsided()
    for tta, same in (("none", False), ("flips", True)):
        kind: TtaName = "flips" if same else "none"
        one, other = predict_averaged(pixels, network, tta=kind), predict_averaged(pixels[:, ::-1], network, tta=kind)
        # The mirrored corner stands half a stride outside, and 56 is a multiple of the stride.
        assert np.allclose(one, other[:, ::-1], atol=1e-6) == same, tta
