"""Tests of exact widths and lengths against measurements of the coverage by SciPy."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from data_gen import Recipe, generate_sample

STEP_PX = 0.1


def widths_across(
    coverage: NDArray[np.float32], line: NDArray[np.float64], widest_px: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum the coverage along the normals of a centreline."""
    points = np.arange(len(line) // 5, len(line) - len(line) // 5)
    way = line[points + 3] - line[points - 3]
    normal = np.column_stack([way[:, 1], -way[:, 0]]) / np.hypot(way[:, 0], way[:, 1])[:, None]
    along = np.arange(-widest_px, widest_px, STEP_PX)
    places = line[points][:, :, None] + normal[:, :, None] * along
    values = ndimage.map_coordinates(coverage, places.transpose(1, 0, 2), order=1)
    return values.sum(axis=1) * STEP_PX, points


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**40), width_px=st.floats(1, 20))
def test_widths_and_lengths_of_samples_equal_those_of_the_coverage(seed: int, width_px: float) -> None:
    kinds = dict.fromkeys(Recipe().cracks.mix.weights(), 0.0) | {"single": 1.0}
    shape = {"roughness": [0, 0.2], "edge_roughness": [0, 0], "width_variation": [0, 0], "gap_probability": 0}
    one = {"count": [1, 1], "empty_probability": 0, "wide_probability": 0, "width_px": [width_px, width_px]}
    recipe = Recipe.model_validate({"size": 320, "mode": "binary", "cracks": {"mix": kinds, **one, **shape}})
    sample = generate_sample(recipe, seed=seed, index=0)
    for crack in sample.cracks:
        (line,), (exact_px,) = crack.centrelines, crack.widths_px
        measured_px, points = widths_across(sample.coverage, line, 0.75 * exact_px.max() + 3)
        assert np.median(np.abs(measured_px - exact_px[points])) < 0.25
        assert np.hypot(*np.diff(line, axis=0).T).sum() == np.float64(crack.length_px)
        mean_px = float(np.average((exact_px[1:] + exact_px[:-1]) / 2, weights=np.hypot(*np.diff(line, axis=0).T)))
        assert abs(mean_px - crack.width_mean_px) < 0.01
        assert abs(crack.area_px / crack.length_px - mean_px) < 0.25 + 0.8 * width_px**2 / crack.length_px
