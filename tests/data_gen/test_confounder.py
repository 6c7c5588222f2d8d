"""Tests of confounders, which never touch a crack."""

import time

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_gen import ConfounderRecipe, draw_confounders
from data_gen.confounder import ARTISTS, _clear_of
from data_gen.recipe import ConfounderMix

ALWAYS = ConfounderRecipe(probability=1, count=(1, 4))


def only(kind: str, **settings_: object) -> ConfounderRecipe:
    """Return a recipe that always draws one kind."""
    mix = {name: float(name == kind) for name in ConfounderMix().weights()}
    return ConfounderRecipe.model_validate({"probability": 1, "count": [1, 1], "mix": mix, **settings_})


def wall(side: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Return a grey wall with a diagonal crack, and its mask."""
    rng = np.random.default_rng(0)
    image = rng.integers(90, 160, (side, side, 3), dtype=np.uint8)
    rows, cols = np.indices((side, side))
    return image, np.abs(rows - cols) <= 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**40))
def test_crack_pixels_and_their_rim_keep_their_values(seed: int) -> None:
    image, mask = wall()
    drawn = draw_confounders(image, mask, np.random.default_rng(seed), config=ALWAYS)
    protected = _clear_of(mask, 2) == 0
    assert protected.sum() > mask.sum()
    np.testing.assert_array_equal(drawn[protected], image[protected])


@pytest.mark.parametrize("kind", sorted(ARTISTS))
def test_every_kind_changes_the_image(kind: str) -> None:
    image, _ = wall()
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[2:9, 2] = True
    before = image.copy()
    shares = [
        (draw_confounders(image, mask, np.random.default_rng(seed), config=only(kind)) != image).mean()
        for seed in range(8)
    ]
    assert max(shares) > 0.0005
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("kind", ["shadow", "stain", "patch_edge"])
def test_an_area_that_meets_a_crack_is_left_out(kind: str) -> None:
    image, mask = wall()
    protected = _clear_of(mask, 2) == 0
    rim = (cv2.dilate(protected.astype(np.uint8), np.ones((3, 3))) > 0) & ~protected
    for seed in range(10):
        drawn = draw_confounders(image, mask, np.random.default_rng(seed), config=only(kind))
        visible = (cv2.absdiff(drawn, image) > 10).any(axis=2)
        assert (visible & rim).sum() <= 0.1 * rim.sum()


def test_every_kind_of_the_mix_has_an_artist() -> None:
    assert set(ARTISTS) == set(ConfounderMix().weights())


def test_the_same_generator_state_draws_the_same_objects() -> None:
    image, mask = wall()
    one, two = (draw_confounders(image, mask, np.random.default_rng(5), config=ALWAYS) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_probability_zero_returns_an_equal_copy() -> None:
    image, mask = wall()
    drawn = draw_confounders(image, mask, np.random.default_rng(0), config=ConfounderRecipe(probability=0))
    assert drawn is not image
    np.testing.assert_array_equal(drawn, image)


def test_a_patch_of_a_training_run_takes_little_time() -> None:
    image, mask = wall(256)
    rng = np.random.default_rng(0)
    draw_confounders(image, mask, rng)
    start = time.process_time()
    for _ in range(30):
        draw_confounders(image, mask, rng)
    assert (time.process_time() - start) / 30 < 0.05


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        pytest.param(np.zeros((8, 8), np.uint8), np.zeros((8, 8), bool), id="grey image"),
        pytest.param(np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), bool), id="float image"),
        pytest.param(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9), bool), id="mask of another size"),
        pytest.param(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), id="mask of bytes"),
    ],
)
def test_images_and_masks_of_wrong_shape_or_type_are_refused(image: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        draw_confounders(image, mask, np.random.default_rng(0))
