"""Augmentation: repeatable, aligned, and nothing where nothing is asked."""

import os

import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.training.augment import Augmentation
from crackseg.training.config import AugmentConfig
from tests.runs import line_sample

pytestmark = pytest.mark.train

SHAPES = ("rotate", "elastic", "grid", "perspective")
KINDS = (*SHAPES, "light", "colour", "shadow", "blur", "noise", "jpeg", "confounders")
OFF = AugmentConfig.model_validate(dict.fromkeys(KINDS, 0))


def only(kind: str) -> Augmentation:
    return Augmentation(OFF.model_copy(update={kind: 1.0}))


@pytest.fixture
def pair() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    image, mask = line_sample(1, (96, 96))
    return image, mask.astype(np.uint8)


def turned(plane: NDArray[np.generic]) -> set[bytes]:
    """The eight flips and quarter turns of a plane."""
    return {np.rot90(side, turn).tobytes() for side in (plane, plane[::-1]) for turn in range(4)}


def test_only_the_eight_flips_and_turns_remain_with_all_else_off(
    pair: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    image, mask = pair
    outcomes = set()
    augmentation = Augmentation(OFF)
    for seed in range(80):
        changed, changed_mask, border = augmentation(image, mask, np.random.default_rng(seed))
        assert border is None
        assert changed_mask.tobytes() in turned(mask)
        outcomes.add(changed.tobytes())
    assert outcomes == turned(image)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_repeatable_and_has_an_effect(kind: str, pair: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    image, mask = pair
    before = image.copy()
    differs = 0
    for seed in range(4):
        one, one_mask, _ = only(kind)(image, mask, np.random.default_rng(seed))
        two, two_mask, _ = only(kind)(image, mask, np.random.default_rng(seed))
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one_mask, two_mask)
        assert one.shape == image.shape
        assert one.dtype == np.uint8
        assert one_mask.shape == mask.shape
        assert one_mask.dtype == np.uint8
        differs += one.tobytes() not in turned(image)
    assert differs >= 2
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SHAPES])
def test_changes_of_colour_do_not_change_the_mask(kind: str, pair: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    image, mask = pair
    for seed in range(6):
        _, changed, _ = only(kind)(image, mask, np.random.default_rng(seed))
        assert changed.tobytes() in turned(mask)


def test_confounders_are_not_drawn_over_the_crack(pair: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    image, mask = pair
    touched = changed = 0
    for seed in range(12):
        drawn, drawn_mask, _ = only("confounders")(image, mask, np.random.default_rng(seed))
        plain, plain_mask = line_in_place(image, mask, drawn_mask)
        np.testing.assert_array_equal(plain_mask, drawn_mask)
        difference = (drawn != plain).any(axis=2)
        touched += int((difference & (drawn_mask > 0)).sum())
        changed += int(difference.sum())
    assert changed > 0
    assert touched == 0


def line_in_place(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], expected: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The image turned as the expected mask is."""
    for flip in (slice(None), slice(None, None, -1)):
        for turn in range(4):
            if np.array_equal(np.rot90(mask[flip], turn), expected):
                return np.rot90(image[flip], turn), np.rot90(mask[flip], turn)
    raise ValueError("no flip or turn gives the expected mask")


def test_without_turns_a_patch_keeps_its_orientation(pair: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    image, mask = pair
    still = Augmentation(OFF.model_copy(update={"turns": 0.0}))
    for seed in range(4):
        changed, changed_mask, _ = still(image, mask, np.random.default_rng(seed))
        np.testing.assert_array_equal(changed, image)
        np.testing.assert_array_equal(changed_mask, mask)


@pytest.mark.parametrize("kind", SHAPES)
def test_border_weights_move_with_the_mask(kind: str) -> None:
    rows, cols = np.mgrid[:96, :96]
    mask = (((rows - 40) ** 2 + (cols - 50) ** 2) < 25**2).astype(np.uint8)
    image = np.repeat(mask[..., None] * np.uint8(200), 3, axis=2)
    for seed in range(4):
        _, changed, border = only(kind)(image, mask, np.random.default_rng(seed), border=7.5 * mask.astype(np.float32))
        assert border is not None
        assert border.dtype == np.float32
        np.testing.assert_array_equal(border, 7.5 * changed)


def test_no_package_index_is_queried() -> None:
    Augmentation(OFF)
    assert os.environ["NO_ALBUMENTATIONS_UPDATE"] == "1"


def test_changes_are_independent_of_each_other() -> None:
    """One random number would tie changes of equal probability to each other."""
    both = Augmentation(OFF.model_copy(update={"turns": 0.0, "noise": 0.5, "rotate": 0.5}))
    image, mask = np.full((64, 64, 3), 100, np.uint8), np.zeros((64, 64), np.uint8)
    mask[:20, 30:40] = 1
    outcomes = set()
    for seed in range(40):
        changed, changed_mask, _ = both(image, mask, np.random.default_rng(seed))
        outcomes.add((bool((changed != image).any()), bool((changed_mask != mask).any())))
    assert outcomes == {(False, False), (False, True), (True, False), (True, True)}


def test_masks_become_one_pixel_wider_or_narrower_and_none_vanishes() -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[10:16, 5:50] = 1
    mask[30, 5:50] = 1
    mask[45:47, 5:50] = 2
    image = np.repeat(mask[..., None] * np.uint8(100), 3, axis=2)
    still = Augmentation(OFF.model_copy(update={"turns": 0.0, "label_width": 1.0}))
    widths = set()
    for seed in range(20):
        changed, changed_mask, _ = still(image, mask, np.random.default_rng(seed))
        np.testing.assert_array_equal(changed, image)
        widths.add(tuple(int((changed_mask[rows, 25] > 0).sum()) for rows in (slice(25), slice(25, 40), slice(40, 60))))
        assert set(np.unique(changed_mask)) == {0, 1, 2}
    assert widths == {(8, 3, 4), (4, 1, 2)}
