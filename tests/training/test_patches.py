"""Patches: repeatable, aligned, of the right size, with as many cracks as asked."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.datasets.samples import find_samples
from crackseg.errors import ConfigError
from crackseg.imaging.codec import write_png
from crackseg.training.patches import PatchDataset, resize_pair
from tests.runs import line_sample, tiny_config, write_sample

pytestmark = pytest.mark.train

STILL = tuple(
    f"augment.{name}=0"
    for name in ("rotate", "elastic", "light", "colour", "shadow", "blur", "noise", "jpeg", "confounders")
)
"""Nothing but flips and quarter turns."""


def patches(folder: Path, *overrides: str) -> PatchDataset:
    return PatchDataset(find_samples(folder, "train"), tiny_config(*overrides))


def masks(dataset: PatchDataset, count: int) -> NDArray[np.generic]:
    return np.stack([dataset[index][1] for index in range(count)])


def test_a_patch_is_the_same_from_another_object_and_in_any_order(data: Path) -> None:
    first, second = (
        patches(data, "augment.confounders=0.5"),
        patches(data, "augment.confounders=0.5", "data.cache_mb=0"),
    )
    forwards = [first[index] for index in range(6)]
    backwards = [second[index] for index in reversed(range(6))][::-1]
    for (image, mask), (again, mask_again) in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(image, again)
        np.testing.assert_array_equal(mask, mask_again)


def test_patches_differ_by_number_and_by_seed(data: Path) -> None:
    first, other = patches(data), patches(data, "seed=1")
    images = [first[0][0], first[1][0], other[0][0]]
    assert len({image.tobytes() for image in images}) == 3


@pytest.mark.parametrize("side", [64, 128])
def test_a_patch_is_square_rgb_with_a_mask_of_0_and_1(data: Path, side: int) -> None:
    image, mask = patches(data, f"data.patch_px={side}", "augment.scale=[0.6, 1.6]")[3]
    assert image.shape == (side, side, 3)
    assert mask.shape == (side, side)
    assert image.dtype == mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 1}


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_patches_around_a_crack_is_as_configured(tmp_path: Path, share: float) -> None:
    mask = np.zeros((800, 800), np.bool_)
    mask[400:404, 400:404] = True  # a random patch meets this once in some hundred
    write_sample(tmp_path, "speck", np.full((800, 800, 3), 180, np.uint8), mask)
    share_found = masks(patches(tmp_path, *STILL, f"data.crack_share={share}"), 300).any(axis=(1, 2)).mean()
    assert share_found == pytest.approx(share, abs=0.1)
    assert share < 1 or share_found == 1


@pytest.mark.parametrize(
    ("overrides", "agreement"),
    [
        pytest.param(STILL, 0.999, id="flips and quarter turns"),
        pytest.param((*STILL, "augment.rotate=1"), 0.9, id="rotation and shear"),
        pytest.param((*STILL, "augment.elastic=1"), 0.9, id="elastic"),
        pytest.param((*STILL, "augment.scale=[0.6, 1.6]"), 0.9, id="magnification"),
    ],
)
def test_the_mask_moves_with_the_image(tmp_path: Path, overrides: tuple[str, ...], agreement: float) -> None:
    for number in range(4):
        _, mask = line_sample(number, (150, 140))
        write_sample(tmp_path, f"line{number}", np.repeat(mask[..., None] * np.uint8(255), 3, axis=2), mask)
    dataset = patches(tmp_path, *("augment.scale=[1, 1]", *overrides), "data.crack_share=1")
    for index in range(24):
        image, mask_patch = dataset[index]
        bright, crack = image[..., 0] >= 115, mask_patch.astype(np.bool_)
        assert crack.any()
        overlap = 2 * (bright & crack).sum() / (bright.sum() + crack.sum())
        assert overlap >= agreement, index


def test_an_image_smaller_than_the_patch_is_mirrored(tmp_path: Path) -> None:
    image = np.arange(20 * 30 * 3, dtype=np.uint32).reshape(20, 30, 3) % 251
    mask = np.zeros((20, 30), np.bool_)
    mask[7:9, 5:20] = True
    write_sample(tmp_path, "small", image.astype(np.uint8), mask)
    patch, patch_mask = patches(tmp_path, *STILL, "augment.scale=[1, 1]")[0]
    assert {tuple(pixel) for pixel in patch.reshape(-1, 3)} == {tuple(pixel) for pixel in image.reshape(-1, 3)}
    colours = {tuple(pixel) for pixel in patch[patch_mask.astype(np.bool_)]}
    assert colours == {tuple(pixel) for pixel in image[mask]}


def test_an_image_of_one_pixel_gives_patches(tmp_path: Path) -> None:
    write_sample(tmp_path, "dot", np.full((1, 1, 3), 90, np.uint8), np.ones((1, 1), np.bool_))
    image, mask = patches(tmp_path, *STILL)[0]
    assert (image == 90).all()
    assert (mask == 1).all()


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        pytest.param("size", 0.1, id="every image alike"),
        pytest.param("even", 0.5, id="every folder alike"),
        pytest.param("{one: 3}", 0.75, id="a share by name, 1 for the rest"),
        pytest.param("{many: 0}", 1.0, id="a folder left out"),
    ],
)
def test_the_mix_balances_images_or_folders(tmp_path: Path, mix: str, expected: float) -> None:
    for name, count, level in (("many", 9, 50), ("one", 1, 200)):
        for number in range(count):
            pixels, nothing = np.full((70, 70, 3), level, np.uint8), np.zeros((70, 70), np.bool_)
            write_sample(tmp_path / name, str(number), pixels, nothing)
    samples = [*find_samples(tmp_path / "many", "train"), *find_samples(tmp_path / "one", "train")]
    dataset = PatchDataset(samples, tiny_config(*STILL, f"data.mix={mix}"))
    share = np.mean([dataset[index][0].mean() > 100 for index in range(300)])
    assert share == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("mix", "message"),
    [("{wals: 2}", "use the names walls"), ("{walls: 0}", "above 0")],
    ids=["a name not there", "nothing left"],
)
def test_an_impossible_mix_is_an_error(tmp_path: Path, mix: str, message: str) -> None:
    write_sample(tmp_path / "walls", "a", np.full((70, 70, 3), 90, np.uint8), np.zeros((70, 70), np.bool_))
    with pytest.raises(ConfigError, match=message):
        PatchDataset(find_samples(tmp_path / "walls", "train"), tiny_config(f"data.mix={mix}"))


def test_a_hairline_survives_shrinking() -> None:
    mask = np.zeros((128, 128), np.uint8)
    mask[:, 64] = 1
    _, small = resize_pair(np.zeros((128, 128, 3), np.uint8), mask, 64)
    assert small.any(axis=1).all()
    assert small.sum(axis=1).max() <= 2


def test_resizing_keeps_the_share_of_a_wide_crack() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[30:70] = 1
    for side in (64, 90, 160):
        _, resized = resize_pair(np.zeros((100, 100, 3), np.uint8), mask, side)
        assert resized.mean() == pytest.approx(0.4, abs=0.02)


def test_void_pixels_reach_the_target_and_are_never_crack(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40], mask[30:34] = 255, 1
    write_sample(tmp_path, "a", np.full((64, 64, 3), 120, np.uint8), mask > 0)
    write_png(tmp_path / "masks" / "a.png", mask)
    dataset = patches(tmp_path)
    assert set(np.unique(masks(dataset, 8)).tolist()) == {0, 1, 255}
    assert dataset.crack_prior() < 0.3
