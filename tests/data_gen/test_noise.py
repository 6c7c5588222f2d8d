"""Tests of the four families of noise patches."""

import numpy as np
import pytest

from data_gen.noise import CLASSIC_LEVEL, draw_noise, merge
from data_gen.recipe import NoiseRecipe

EMPTY = np.zeros((1024, 1024), np.bool_)


def test_counts_and_sizes_of_the_families_follow_the_recipe() -> None:
    patches = draw_noise(np.random.default_rng(0), NoiseRecipe(), EMPTY)
    sizes = {
        family: [p.grey.shape for p in patches if p.family == family] for family in ("speck", "square", "tall", "flat")
    }
    assert 100 <= len(sizes["speck"]) <= 300
    assert all(10 <= h <= 15 and h == w for h, w in sizes["speck"])
    for family in ("square", "tall", "flat"):
        assert 3 <= len(sizes[family]) <= 5
    assert all(30 <= h <= 50 and h == w for h, w in sizes["square"])
    assert all(30 <= h <= 50 and 10 <= w <= 15 for h, w in sizes["tall"])
    assert all(10 <= h <= 15 and 30 <= w <= 50 for h, w in sizes["flat"])


@pytest.mark.parametrize("shape", [(64, 64), (70, 400), (400, 70)])
def test_no_patch_crosses_the_image_border(shape: tuple[int, int]) -> None:
    recipe = NoiseRecipe(specks=(2000, 3000), squares=(200, 300), tall=(200, 300), flat=(200, 300))
    for patch in draw_noise(np.random.default_rng(1), recipe, np.zeros(shape, np.bool_)):
        row0, col0, row1, col1 = patch.box
        assert 0 <= row0 < row1 <= shape[0]
        assert 0 <= col0 < col1 <= shape[1]
        assert patch.grey.shape == (row1 - row0, col1 - col0)
        assert patch.grey.dtype == np.uint8


@pytest.mark.parametrize(("placement", "touches"), [("on", True), ("beside", False)])
def test_patches_lie_on_or_next_to_cracks(placement: str, touches: bool) -> None:  # noqa: FBT001
    mask = EMPTY.copy()
    mask[:, 500:520] = True
    mask[300:330] = True
    recipe = NoiseRecipe.model_validate({"placement": placement})
    patches = draw_noise(np.random.default_rng(2), recipe, mask)
    met = [bool(mask[patch.region].any()) for patch in patches]
    assert np.mean(np.array(met) == touches) > 0.95


def test_noise_uses_the_patches_of_the_assets() -> None:
    small, big = [np.full((8, 8), 100, np.uint8)], [np.full((90, 20), 200, np.uint8)]
    for patch in draw_noise(np.random.default_rng(0), NoiseRecipe(), EMPTY, small, big):
        assert (patch.grey == (100 if patch.family == "speck" else 200)).all()


def test_a_patch_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="noise patch"):
        draw_noise(np.random.default_rng(0), NoiseRecipe(), EMPTY, [np.zeros((4, 4, 3), np.uint8)])


def test_merging_and_thresholding_keeps_patterns_above_50() -> None:
    rng = np.random.default_rng(0)
    canvas, grey = (rng.integers(0, 120, (40, 40), dtype=np.uint8) for _ in range(2))
    plain = np.where(grey > 50, np.maximum(canvas, grey), canvas) > 50
    merge(canvas, np.s_[0:40, 0:40], grey)
    np.testing.assert_array_equal(canvas > CLASSIC_LEVEL, plain)


def test_blobs_fill_most_of_their_box_and_fade_at_its_border() -> None:
    for patch in draw_noise(np.random.default_rng(4), NoiseRecipe(specks=(40, 40)), EMPTY):
        assert 0.25 < (patch.grey > 50).mean() < 0.99
        rim = np.concatenate([patch.grey[0], patch.grey[-1], patch.grey[:, 0], patch.grey[:, -1]])
        assert rim.mean() < patch.grey.mean()
