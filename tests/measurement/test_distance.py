"""Test distances against the distance transform of the whole image."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crackseg.measurement.components import find_components
from crackseg.measurement.distance import distances_to_background


@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 0.95), blur=st.sampled_from([0.3, 1.0, 3.0]))
def test_distances_are_those_of_a_distance_transform(seed: int, share: float, blur: float) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(50, 70)), (0, 0), blur)
    mask = np.asarray(noise > np.quantile(noise, 1 - share))
    expected = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    components = find_components(mask)
    distances = distances_to_background(components, components.pixels)
    np.testing.assert_allclose(distances, expected[components.positions(components.pixels)], rtol=1e-5)
