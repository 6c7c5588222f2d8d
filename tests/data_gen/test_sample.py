"""Tests of whole samples: repeatable, exact and with independent stages."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_gen import Assets, Recipe, SyntheticSample, generate_sample
from data_gen.surface import fit_background

QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PHOTO = Recipe(size=160)
BINARY = Recipe(size=160, mode="binary")


def changed(recipe: Recipe, **sections: object) -> Recipe:
    """Return a recipe with some sections replaced."""
    return Recipe.model_validate({**recipe.model_dump(), **sections})


def assert_exact(sample: SyntheticSample) -> None:
    """Check that boxes are tight, masks connected and their union the mask."""
    union = np.zeros_like(sample.mask)
    for crack in sample.cracks:
        row0, col0, row1, col1 = crack.box
        assert crack.mask.shape == (row1 - row0, col1 - col0)
        assert crack.mask[0].any()
        assert crack.mask[-1].any()
        assert crack.mask[:, 0].any()
        assert crack.mask[:, -1].any()
        count, _ = cv2.connectedComponents(crack.mask.astype(np.uint8), connectivity=8)
        assert count == 2
        assert crack.length_px > 0
        assert 0 < crack.width_mean_px <= crack.width_max_px
        assert crack.area_px > 0
        for line, width in zip(crack.centrelines, crack.widths_px, strict=True):
            assert line.shape == (len(width), 2)
            assert line.dtype == np.float64
        union[row0:row1, col0:col1] |= crack.mask
    np.testing.assert_array_equal(union, sample.mask)


@QUICK
@given(seed=st.integers(0, 2**40), index=st.integers(0, 10**6), mode=st.sampled_from([PHOTO, BINARY]))
def test_every_sample_has_tight_boxes_and_connected_masks(seed: int, index: int, mode: Recipe) -> None:
    sample = generate_sample(mode, seed=seed, index=index)
    assert sample.image.shape == (160, 160, 3)
    assert sample.image.dtype == np.uint8
    assert_exact(sample)


@pytest.mark.parametrize("recipe", [PHOTO, BINARY], ids=["photo", "binary"])
def test_a_sample_depends_only_on_seed_and_index(recipe: Recipe) -> None:
    first = [generate_sample(recipe, seed=3, index=index) for index in range(4)]
    again = [generate_sample(recipe, seed=3, index=index) for index in reversed(range(4))][::-1]
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.mask, two.mask)
    assert any((one.image != two.image).any() for one, two in pairwise(first))
    assert (generate_sample(recipe, seed=4, index=0).image != first[0].image).any()


def test_the_number_of_threads_does_not_change_a_byte() -> None:
    before = cv2.getNumThreads()
    try:
        images = []
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            images.append([generate_sample(changed(PHOTO, size=300), seed=1, index=i).image for i in range(6)])
    finally:
        cv2.setNumThreads(before)
    for one, two in zip(*images, strict=True):
        np.testing.assert_array_equal(one, two)


@QUICK
@given(index=st.integers(0, 10**6))
def test_noise_confounders_and_camera_do_not_change_the_mask(index: int) -> None:
    calm = changed(PHOTO, noise={"probability": 0}, confounders={"probability": 0}, camera={"grey_probability": 1})
    over = {"probability": 1, "count": [3, 5], "over_probability": 0}
    wild = changed(PHOTO, noise={"probability": 1}, confounders=over)
    one, two = (generate_sample(recipe, seed=0, index=index) for recipe in (calm, wild))
    assert (one.image != two.image).any()
    np.testing.assert_array_equal(one.mask, two.mask)
    np.testing.assert_array_equal(one.coverage, two.coverage)


@QUICK
@given(index=st.integers(0, 10**6))
def test_binary_cracks_lie_completely_inside_and_are_white(index: int) -> None:
    sample = generate_sample(BINARY, seed=0, index=index)
    assert set(np.unique(sample.image)) <= {0, 255}
    assert (sample.image[sample.mask] == 255).all()
    rim = np.ones_like(sample.mask)
    rim[1:-1, 1:-1] = False
    assert not sample.mask[rim].any()


@QUICK
@given(index=st.integers(0, 10**6))
def test_cracks_without_overlap_share_no_pixel(index: int) -> None:
    recipe = changed(BINARY, cracks={"overlap": False, "count": [3, 5], "length": [0.1, 0.4]})
    sample = generate_sample(recipe, seed=0, index=index)
    assert sum(int(crack.mask.sum()) for crack in sample.cracks) == int(sample.mask.sum())


def test_no_cracks_give_an_empty_mask() -> None:
    sample = generate_sample(changed(PHOTO, cracks={"count": [0, 0]}), seed=0, index=0)
    assert sample.cracks == ()
    assert not sample.mask.any()


def test_the_exact_mask_is_kept_with_the_noisy_one() -> None:
    tired = changed(PHOTO, annotator={"enabled": True, "shift_px": [2, 3]})
    sample = generate_sample(tired, seed=0, index=1)
    assert sample.noisy_mask is not None
    assert (sample.noisy_mask != sample.mask).any()
    np.testing.assert_array_equal(sample.mask, generate_sample(PHOTO, seed=0, index=1).mask)
    assert generate_sample(PHOTO, seed=0, index=1).noisy_mask is None


def test_a_small_background_is_mirrored() -> None:
    image = np.full((31, 17, 3), (200, 100, 50), np.uint8)
    only = {"mix": dict.fromkeys(Recipe().surface.mix.weights(), 0) | {"background": 1}, "stain_probability": 0}
    recipe = changed(
        PHOTO,
        surface=only,
        cracks={"count": [0, 0]},
        noise={"probability": 0},
        confounders={"probability": 0},
        camera={"jpeg_probability": 0, "grey_probability": 0, "white_balance": [0, 0], "gamma": [1, 1]},
    )
    sample = generate_sample(recipe, seed=0, index=0, assets=Assets(backgrounds=[image]))
    assert sample.surface == "background"
    middle = sample.image.reshape(-1, 3).mean(axis=0)
    assert middle[0] > 1.7 * middle[1] > 1.7 * 1.7 * middle[2]


def test_a_negative_seed_or_index_is_refused() -> None:
    with pytest.raises(ValueError, match="seed >= 0"):
        generate_sample(PHOTO, seed=-1, index=0)


@pytest.mark.parametrize("mode", [PHOTO, BINARY], ids=["photo", "binary"])
def test_noise_over_cracks_removes_their_pixels_consistently(mode: Recipe) -> None:
    noise = {"probability": 1, "placement": "on", "specks": [2000, 2000]}
    for index in range(6):
        plain = generate_sample(changed(mode, noise=noise), seed=0, index=index)
        hidden = generate_sample(changed(mode, noise={**noise, "changes_mask": True}), seed=0, index=index)
        assert_exact(hidden)
        assert not (hidden.mask & ~plain.mask).any()
        if plain.mask.any():
            assert hidden.mask.sum() < plain.mask.sum()
            assert sum(c.length_px for c in hidden.cracks) < sum(c.length_px for c in plain.cracks)


@QUICK
@given(index=st.integers(0, 10**6))
def test_confounder_boxes_lie_in_the_image_and_cover_a_change(index: int) -> None:
    few = changed(PHOTO, confounders={"probability": 1, "count": [1, 1]}, camera={"jpeg_probability": 0})
    none = changed(few, confounders={"probability": 0})
    sample, plain = (generate_sample(recipe, seed=0, index=index) for recipe in (few, none))
    for confounder in sample.confounders:
        row0, col0, row1, col1 = confounder.box
        assert 0 <= row0 < row1 <= 160
        assert 0 <= col0 < col1 <= 160
        window = np.s_[row0:row1, col0:col1]
        assert (sample.image[window] != plain.image[window]).any()


@pytest.mark.parametrize("surface", [name for name in Recipe().surface.mix.weights() if name != "background"])
def test_every_surface_has_texture(surface: str) -> None:
    only = {"mix": dict.fromkeys(Recipe().surface.mix.weights(), 0) | {surface: 1}}
    recipe = changed(PHOTO, surface=only)
    for index in range(4):
        sample = generate_sample(recipe, seed=0, index=index)
        assert sample.surface == surface
        assert sample.image.std() > 1.0


@pytest.mark.parametrize("size", [64, 65, 101])
@pytest.mark.parametrize("mode", ["photo", "binary"])
def test_small_and_odd_sizes_work(size: int, mode: str) -> None:
    for index in range(6):
        sample = generate_sample(Recipe.model_validate({"size": size, "mode": mode}), seed=0, index=index)
        assert sample.image.shape == (size, size, 3)
        assert_exact(sample)


@pytest.mark.parametrize(
    "assets",
    [
        pytest.param(Assets(backgrounds=[np.zeros((40, 40), np.uint8)]), id="grey background"),
        pytest.param(Assets(patterns=[np.zeros((40, 40, 3), np.uint8)]), id="colour pattern"),
    ],
)
def test_assets_of_the_wrong_shape_are_refused(assets: Assets) -> None:
    surface = {"mix": dict.fromkeys(Recipe().surface.mix.weights(), 0) | {"background": 1, "concrete": 1e-9}}
    cracks = {"mix": dict.fromkeys(Recipe().cracks.mix.weights(), 0) | {"cutout": 1, "single": 1e-9}}
    recipe = changed(PHOTO, surface=surface, cracks={**cracks, "empty_probability": 0})
    with pytest.raises(ValueError, match="expected a"):
        generate_sample(recipe, seed=0, index=0, assets=assets)


@QUICK
@given(index=st.integers(0, 10**6))
def test_area_is_mean_width_times_length_without_branches(index: int) -> None:
    single = dict.fromkeys(Recipe().cracks.mix.weights(), 0) | {"single": 1, "hairline": 1}
    cracks = {"mix": single, "count": [1, 1], "width_px": [1, 6], "elastic_probability": 0, "length": [0.4, 0.7]}
    for crack in generate_sample(changed(BINARY, cracks=cracks), seed=0, index=index).cracks:
        swept = 0.0
        for line, width in zip(crack.centrelines, crack.widths_px, strict=True):
            swept += float(np.hypot(*np.diff(line, axis=0).T) @ ((width[1:] + width[:-1]) / 2))
        assert crack.width_mean_px * crack.length_px == pytest.approx(swept, rel=1e-6)
        assert crack.area_px == pytest.approx(swept, rel=0.12, abs=4)


def test_a_recipe_of_only_backgrounds_needs_backgrounds() -> None:
    surface = {"mix": dict.fromkeys(Recipe().surface.mix.weights(), 0) | {"background": 1}}
    with pytest.raises(ValueError, match="images for background"):
        generate_sample(changed(PHOTO, surface=surface), seed=0, index=0)


@pytest.mark.parametrize(
    "off",
    [
        pytest.param({"camera": {"enabled": False}}, id="camera"),
        pytest.param({"appearance": {"profile_probability": 0}}, id="profile"),
        pytest.param({"confounders": {"probability": 0, "over_probability": 0}}, id="confounders"),
    ],
)
def test_one_key_disables_a_stage_and_keeps_the_mask(off: dict[str, object]) -> None:
    differ, under = 0, changed(PHOTO, confounders={"over_probability": 0})
    for index in range(4):
        whole, without = (generate_sample(recipe, seed=0, index=index) for recipe in (under, changed(under, **off)))
        np.testing.assert_array_equal(whole.mask, without.mask)
        differ += bool((whole.image != without.image).any())
    assert differ >= 2


def test_without_profile_a_crack_is_one_flat_tone() -> None:
    bare = {"mix": dict.fromkeys(Recipe().surface.mix.weights(), 0) | {"background": 1}, "stain_probability": 0}
    flat = changed(
        PHOTO,
        surface=bare,
        appearance={"profile_probability": 0},
        cracks={"count": [1, 1], "empty_probability": 0, "width_px": [8, 9], "mix": {"hairline": 0}},
        confounders={"probability": 0},
        noise={"probability": 0},
        camera={"enabled": False},
    )
    wall = np.full((200, 200, 3), (180, 170, 160), np.uint8)
    for index in range(6):
        sample = generate_sample(flat, seed=0, index=index, assets=Assets(backgrounds=[wall]))
        for crack in sample.cracks:
            window = np.s_[crack.box[0] : crack.box[2], crack.box[1] : crack.box[3]]
            deep = crack.mask & (sample.coverage[window] >= 1 - 1e-6)
            assert np.ptp(sample.image[window][deep], axis=0).max(initial=0) <= 1


def test_a_covered_crack_is_removed_from_the_mask() -> None:
    cable: dict[str, object] = {
        "mix": dict.fromkeys(Recipe().confounders.mix.weights(), 0) | {"cable": 1},
        "width_px": [6, 8],
    }
    cable |= {"probability": 1, "count": [2, 2], "follow_probability": 1}
    hidden = 0
    for index in range(8):
        over, under = (
            generate_sample(changed(PHOTO, confounders={**cable, "over_probability": share}), seed=0, index=index)
            for share in (1, 0)
        )
        assert_exact(over)
        assert all(confounder.over for confounder in over.confounders)
        assert not any(confounder.over for confounder in under.confounders)
        assert not (over.mask & ~under.mask).any()
        hidden += int(under.mask.sum()) - int(over.mask.sum())
    assert hidden > 100


def test_cracks_without_room_are_counted() -> None:
    crowded = changed(BINARY, cracks={"overlap": False, "count": [12, 12], "empty_probability": 0, "length": [2, 2]})
    sample = generate_sample(crowded, seed=0, index=0)
    assert sample.left_out > 0
    assert generate_sample(changed(BINARY, cracks={"count": [1, 1]}), seed=0, index=0).left_out == 0


def test_noise_lies_where_the_sample_lists_it() -> None:
    noisy = changed(BINARY, noise={"probability": 1})
    sample = generate_sample(noisy, seed=0, index=0)
    assert sample.noise
    covered = sample.mask.copy()
    for patch in sample.noise:
        covered[patch.region] |= patch.grey > 50
    np.testing.assert_array_equal(sample.image[..., 0] > 0, covered)


def test_a_small_background_is_tiled_on_request() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    square = fit_background(np.random.default_rng(1), image, 120, tiled=True)
    rows, cols = (40, 50) if np.allclose(square[:, 40:], square[:, :-40]) else (50, 40)
    np.testing.assert_array_equal(square[:, rows:], square[:, :-rows])
    np.testing.assert_array_equal(square[:, :, cols:], square[:, :, :-cols])
    mirrored = fit_background(np.random.default_rng(1), image, 120)
    assert (mirrored[:, 40:] != mirrored[:, :-40]).any()
