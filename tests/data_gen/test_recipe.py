"""Tests of recipes, which are frozen and strict."""

import pytest
from pydantic import ValidationError

from data_gen import Recipe
from data_gen.recipe import NoiseRecipe, PatternMix


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"size": 63}, id="too small"),
        pytest.param({"mode": "film"}, id="unknown mode"),
        pytest.param({"cracks": {"width_px": [5, 2]}}, id="low above high"),
        pytest.param({"cracks": {"width_px": [0, 2]}}, id="zero width"),
        pytest.param({"cracks": {"widht_px": [1, 2]}}, id="unknown key"),
        pytest.param({"camera": {"jpeg_quality": [0, 50]}}, id="quality 0"),
        pytest.param({"camera": {"exposure": ["nan", 1]}}, id="not a number"),
        pytest.param({"noise": {"probability": 1.1}}, id="probability above 1"),
        pytest.param({"surface": {"mix": dict.fromkeys(PatternMix().weights(), 0)}}, id="names of another mix"),
        pytest.param({"cracks": {"mix": dict.fromkeys(PatternMix().weights(), 0)}}, id="all weights 0"),
    ],
)
def test_invalid_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(values)


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        pytest.param({"changes_truth": True}, True, id="old name"),
        pytest.param({"changes_mask": False, "changes_truth": True}, True, id="old name last"),
        pytest.param({"changes_truth": True, "changes_mask": False}, False, id="new name last"),
    ],
)
def test_the_former_name_of_changes_mask_is_read(noise: dict[str, bool], *, expected: bool) -> None:
    recipe = Recipe.model_validate({"noise": noise})
    assert recipe.noise.changes_mask is expected
    assert "changes_truth" not in recipe.model_dump()["noise"]


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Recipe().__setattr__("size", 512)


def test_a_recipe_survives_a_round_trip() -> None:
    recipe = Recipe.model_validate({"size": 300, "cracks": {"count": [0, 2]}})
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_the_noise_families_have_classic_counts_and_sizes() -> None:
    noise = NoiseRecipe()
    assert (noise.specks, noise.speck_side_px) == ((100, 300), (10, 15))
    assert (noise.squares, noise.square_side_px) == ((3, 5), (30, 50))
    assert (noise.tall, noise.flat) == ((3, 5), (3, 5))
    assert (noise.long_side_px, noise.short_side_px) == ((30, 50), (10, 15))


def test_an_image_smaller_than_any_crack_is_refused() -> None:
    wide = {"width_px": [20, 30], "hairline_width_px": [10, 12]}
    with pytest.raises(ValidationError, match=r"expected a size of 80 or more for cracks .* 10 px width, got 64"):
        Recipe.model_validate({"size": 64, "cracks": wide})
    assert Recipe.model_validate({"size": 80, "cracks": wide}).size == 80
