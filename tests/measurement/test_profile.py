"""Test samples of images against SciPy, beyond the limits of OpenCV as well."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from crackseg.measurement.profile import sample


@pytest.mark.parametrize(
    ("shape", "lines"),
    [
        pytest.param((60, 80), 50, id="small"),
        pytest.param((2, 40_000), 200, id="wider than OpenCV allows"),
        pytest.param((35_000, 3), 200, id="higher than OpenCV allows"),
        pytest.param((60, 80), 31_000, id="more lines than OpenCV allows"),
    ],
)
def test_samples_are_bilinear_with_the_border_repeated(shape: tuple[int, int], lines: int) -> None:
    rng = np.random.default_rng(7)
    image = rng.random(shape).astype(np.float32)
    starts = rng.uniform((-4, -4), (shape[0] + 3, shape[1] + 3), (lines, 2))
    steps = np.arange(5) * 0.5
    rows, cols = starts[:, :1] + steps, starts[:, 1:] + 0.6 * steps
    expected = ndimage.map_coordinates(image, [rows, cols], order=1, mode="nearest")
    # OpenCV interpolates between places 1/32 px apart.
    np.testing.assert_allclose(sample(image, rows, cols), expected, atol=1 / 16)


def test_no_places_give_no_samples() -> None:
    assert sample(np.zeros((3, 4), np.uint8), np.zeros((0, 5)), np.zeros((0, 5))).shape == (0, 5)
