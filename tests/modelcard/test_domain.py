"""Distance of images from the training images: walls are near, and other things are far."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from crackseg.errors import ModelError
from crackseg.imaging.codec import write_png
from crackseg.modelcard.card import ModelCard
from crackseg.modelcard.domain import (
    LEAST_LIMIT,
    TYPICAL_SPREAD,
    Domain,
    describe,
    describe_files,
    distances,
    fit_domain,
)
from crackseg.prediction.loading import DEFAULT_MODEL, shipped_card
from data_gen import Recipe, generate_sample

RECIPE = Recipe(size=192)


def wall(index: int) -> NDArray[np.uint8]:
    return generate_sample(RECIPE, seed=11, index=index).image


@pytest.fixture(scope="module")
def walls() -> Domain:
    return fit_domain([np.array([describe(wall(index)) for index in range(24)])])


@pytest.fixture(scope="module")
def shipped() -> Domain:
    domain = Domain.from_dict(shipped_card(DEFAULT_MODEL).domain, where=DEFAULT_MODEL)
    assert domain is not None
    return domain


def other_things() -> dict[str, NDArray[np.uint8]]:
    page = np.full((600, 500, 3), 250, np.uint8)
    for row in range(30, 590, 24):
        cv2.putText(page, "the quick brown fox jumps", (20, row), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (10, 10, 10), 1)
    ramp = np.linspace(0, 255, 400, dtype=np.uint8)[None, :, None].repeat(300, axis=0).repeat(3, axis=2)
    return {"page": page, "ramp": ramp, "checks": (ramp // 32 % 2 * 255).astype(np.uint8)}


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_every_image_has_a_description_of_finite_numbers(image: NDArray[np.uint8]) -> None:
    described = describe(image)
    assert described.shape == (len(TYPICAL_SPREAD),)
    assert np.isfinite(described).all()


def test_a_description_hardly_depends_on_the_size_of_the_image() -> None:
    spreads = np.array(list(TYPICAL_SPREAD.values()))
    for index in range(3):
        image = wall(index)
        large = np.asarray(cv2.resize(image, (1152, 1152), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
        assert np.abs((describe(large) - describe(image)) / spreads).max() < 1.0
        tall = np.ascontiguousarray(np.rot90(image))
        assert describe(tall) == pytest.approx(describe(image), rel=0.02, abs=0.02)


def test_walls_are_near_and_other_things_far(walls: Domain, shipped: Domain) -> None:
    for domain in (walls, shipped):
        assert max(domain.distance(wall(index)) for index in range(30, 40)) < domain.limit
        for name, image in other_things().items():
            assert domain.distance(image) > domain.limit, name


def test_the_shipped_model_takes_surfaces_and_refuses_a_cup_and_a_colour_wheel(shipped: Domain) -> None:
    for name in ("brick", "grass", "gravel"):
        surface = np.stack([getattr(skimage.data, name)()] * 3, axis=2)
        assert shipped.distance(surface) < shipped.limit, name
    for name in ("coffee", "colorwheel"):
        assert shipped.distance(getattr(skimage.data, name)()) > shipped.limit, name


def test_distances_are_those_of_the_inverse_covariance() -> None:
    rng = np.random.default_rng(4)
    spreads = np.array(list(TYPICAL_SPREAD.values()))
    groups = [rng.normal(place, 1, (200, len(spreads))) * spreads for place in (0.0, 2.0, 5.0)]
    domain = fit_domain(groups)
    deviations = [group - np.mean([other.mean(axis=0) for other in groups], axis=0) for group in groups]
    covariance = np.mean([part.T @ part / len(part) for part in deviations], axis=0) + np.diag((spreads / 2) ** 2)
    expected = [np.sqrt(row @ np.linalg.solve(covariance, row) / len(spreads)) for row in deviations[1]]
    assert distances(domain, groups[1]) == pytest.approx(np.array(expected), rel=1e-3)


def test_every_data_set_counts_alike_however_many_images_it_has() -> None:
    rng = np.random.default_rng(5)
    spreads = np.array(list(TYPICAL_SPREAD.values()))
    few, many = (rng.normal(place, 0.1, (count, len(spreads))) * spreads for place, count in ((1.0, 5), (-1.0, 500)))
    domain = fit_domain([few, many])
    assert np.abs(np.array(domain.mean) / spreads).max() < 0.2


def test_the_limit_takes_in_nearly_all_training_images_and_is_never_narrow(walls: Domain) -> None:
    assert walls.limit >= LEAST_LIMIT
    spreads = np.array(list(TYPICAL_SPREAD.values()))
    heavy = np.random.default_rng(6).standard_t(1.5, (400, len(spreads))) * spreads
    domain = fit_domain([heavy])
    assert domain.limit > LEAST_LIMIT
    assert (distances(domain, heavy) > domain.limit).mean() <= 0.002


def test_a_domain_survives_a_card(walls: Domain) -> None:
    card = ModelCard(name="wall", network={}, stride=1, context_px=0, domain=walls.to_dict())
    again = ModelCard.from_json(card.to_json(), where="wall")
    assert Domain.from_dict(again.domain, where="wall") == walls


def test_a_card_without_a_domain_or_with_other_statistics_gives_none(walls: Domain) -> None:
    old = ModelCard.from_json(
        json.dumps({"name": "old", "network": {}, "stride": 1, "context_px": 0, "version": 1}), where="old"
    )
    assert Domain.from_dict(old.domain, where="old") is None
    assert Domain.from_dict({**walls.to_dict(), "statistics": ["other"]}, where="new") is None


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"mean": [1.0]}, id="short"),
        pytest.param({"whitening": [[1.0]]}, id="no triangle"),
        pytest.param({"whitening": None}, id="missing"),
        pytest.param({"limit": "wide"}, id="text"),
        pytest.param({"limit": float("nan")}, id="not a number"),
    ],
)
def test_a_damaged_domain_is_an_error(walls: Domain, damage: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="damaged"):
        Domain.from_dict({**walls.to_dict(), **damage}, where="wall")


def test_files_are_described_by_data_set_and_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        write_png(path, wall(number))
    (tmp_path / "cut.png").write_bytes(paths[0].read_bytes()[:100])
    statistics = describe_files(
        {"one": [*paths, tmp_path / "cut.png", tmp_path / "gone.png"], "none": [tmp_path / "cut.png"]}
    )
    assert set(statistics) == {"one"}
    assert statistics["one"] == pytest.approx(np.array([describe(wall(number)) for number in range(3)]))
