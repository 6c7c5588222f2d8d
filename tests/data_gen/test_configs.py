"""Tests of the recipes in ``configs/generate``."""

from pathlib import Path

import pytest
import yaml

from data_gen import Recipe, generate_sample

FOLDER = Path(__file__).parents[2] / "configs" / "generate"


def test_all_recipes_exist() -> None:
    names = {path.stem for path in FOLDER.glob("*.yaml")}
    assert names == {"classic", "concrete", "asphalt", "masonry", "tile", "metal", "mixed", "wide", "gravel"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_loads_and_generates(path: Path) -> None:
    recipe = Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    sample = generate_sample(recipe.model_copy(update={"size": 128}), seed=0, index=0)
    assert sample.image.shape == (128, 128, 3)


def test_mixed_spells_out_all_defaults() -> None:
    values = yaml.safe_load((FOLDER / "mixed.yaml").read_text(encoding="utf-8"))
    assert Recipe.model_validate(values) == Recipe()
    assert values == Recipe().model_dump(mode="json")


def test_classic_is_binary_with_the_classic_noise_in_every_image() -> None:
    recipe = Recipe.model_validate(yaml.safe_load((FOLDER / "classic.yaml").read_text(encoding="utf-8")))
    assert recipe.mode == "binary"
    assert recipe.size == 1024
    assert recipe.noise.probability == 1
    assert recipe.noise.specks == (100, 300)
