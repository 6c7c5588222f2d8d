"""The four families of noise."""

import numpy as np
import pytest

from data_gen.noise import draw_noise
from data_gen.recipe import NoiseRecipe

EMPTY = np.zeros((1024, 1024), np.bool_)


def test_counts_and_sizes_of_the_families_are_those_of_the_recipe() -> None:
    patches = draw_noise(np.random.default_rng(0), NoiseRecipe(), EMPTY)
    sizes = {
        family: [p.alpha.shape for p in patches if p.family == family] for family in ("speck", "square", "tall", "flat")
    }
    assert 100 <= len(sizes["speck"]) <= 300
    assert all(10 <= h <= 15 and h == w for h, w in sizes["speck"])
    for family in ("square", "tall", "flat"):
        assert 3 <= len(sizes[family]) <= 5
    assert all(30 <= h <= 50 and h == w for h, w in sizes["square"])
    assert all(30 <= h <= 50 and 10 <= w <= 15 for h, w in sizes["tall"])
    assert all(10 <= h <= 15 and 30 <= w <= 50 for h, w in sizes["flat"])


@pytest.mark.parametrize("shape", [(64, 64), (70, 400), (400, 70)])
def test_nothing_crosses_the_edge_of_the_image(shape: tuple[int, int]) -> None:
    recipe = NoiseRecipe(specks=(2000, 3000), squares=(200, 300), tall=(200, 300), flat=(200, 300))
    for patch in draw_noise(np.random.default_rng(1), recipe, np.zeros(shape, np.bool_)):
        height, width = patch.alpha.shape
        assert 0 <= patch.row <= shape[0] - height
        assert 0 <= patch.col <= shape[1] - width
        assert 0 <= patch.alpha.min() <= patch.alpha.max() <= 1


@pytest.mark.parametrize(("placement", "touches"), [("on", True), ("beside", False)])
def test_placement_on_and_beside_cracks_is_kept(placement: str, touches: bool) -> None:  # noqa: FBT001
    mask = EMPTY.copy()
    mask[:, 500:520] = True
    mask[300:330] = True
    recipe = NoiseRecipe.model_validate({"placement": placement})
    patches = draw_noise(np.random.default_rng(2), recipe, mask)
    met = [bool(mask[patch.window].any()) for patch in patches]
    assert np.mean(np.array(met) == touches) > 0.95


def test_given_patches_fill_the_noise() -> None:
    small, big = [np.full((8, 8), 100, np.uint8)], [np.full((90, 20), 200, np.uint8)]
    for patch in draw_noise(np.random.default_rng(0), NoiseRecipe(), EMPTY, small, big):
        assert np.allclose(patch.alpha * 255, 100 if patch.family == "speck" else 200, atol=0.5)


def test_a_patch_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="noise patch"):
        draw_noise(np.random.default_rng(0), NoiseRecipe(), EMPTY, [np.zeros((4, 4, 3), np.uint8)])
