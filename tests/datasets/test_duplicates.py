"""Images that a data set holds twice."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.datasets.check import check_dataset
from crackseg.datasets.duplicates import Duplicate, find_duplicates
from crackseg.datasets.fingerprint import (
    compare_images,
    crop_overlap,
    describe_turn,
    hash_thumbnails,
    make_thumbnail,
    turn_image,
)
from crackseg.imaging.codec import decode_image, mask_pixels, write_png
from tests.datasets.scenes import as_jpeg, find, wall, write_walls
from tests.runs import write_sample


def search(images: list[NDArray[np.uint8]]) -> list[Duplicate]:
    grey = [make_thumbnail(np.asarray(cv2.cvtColor(item, cv2.COLOR_RGB2GRAY), np.uint8)) for item in images]
    return find_duplicates(np.stack(grey), lambda place: images[place])


@given(seed=st.integers(0, 99), turn=st.integers(0, 7))
def test_the_hash_of_a_turned_thumbnail_is_among_those_of_the_original(seed: int, turn: int) -> None:
    small = make_thumbnail(wall(seed)[0][..., 0])
    hashes = hash_thumbnails(np.stack([small, turn_image(small, turn)]))
    # The second's eight hashes are those of its turns: turning it back gives the first.
    back = next(other for other in range(8) if np.array_equal(turn_image(turn_image(small, turn), other), small))
    assert np.bitwise_count(hashes[0, 0] ^ hashes[1, back]) <= 2


def test_different_walls_are_different() -> None:
    assert search([wall(seed)[0] for seed in range(40)]) == []


@pytest.mark.parametrize("turn", range(8), ids=[describe_turn(turn) or "as it is" for turn in range(8)])
def test_a_turned_copy_is_found_with_its_turn(turn: int) -> None:
    images = [wall(seed, (128, 128))[0] for seed in range(4)]
    # Turned so that `turn` brings it back.
    back = next(
        other for other in range(8) if np.array_equal(turn_image(turn_image(images[1], other), turn), images[1])
    )
    (copy,) = search([*images, turn_image(images[1], back)])
    assert (copy.first, copy.second, copy.turn, copy.match.same) == (1, 4, turn, True)


def brighter(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(image.astype(np.float32) * 1.2 + 10, 0, 255), dtype=np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: decode_image(as_jpeg(image, 40)), id="as a JPEG"),
        pytest.param(lambda image: cv2.resize(image, (96, 72), interpolation=cv2.INTER_AREA), id="smaller"),
        pytest.param(brighter, id="brighter"),
    ],
)
def test_a_copy_that_was_stored_otherwise_is_nearly_the_same(change: object) -> None:
    images = [wall(seed)[0] for seed in range(4)]
    (copy,) = search([*images, change(images[2])])  # type: ignore[operator]
    assert (copy.first, copy.second, copy.turn, copy.match.same) == (2, 4, 0, False)
    assert copy.match.correlation > 0.8


def test_a_shifted_crop_is_found_with_its_shift() -> None:
    large = wall(7, (200, 260))[0]
    (copy,) = search([wall(1)[0], large[:192, :250], large[4:196, 6:256]])
    assert (copy.first, copy.second) == (1, 2)
    assert copy.match.shift == pytest.approx((4, 6))
    assert copy.match.correlation > 0.95


def test_the_overlap_of_shifted_arrays_is_what_both_show() -> None:
    whole = np.arange(80).reshape(8, 10)
    one, other = crop_overlap(whole[:6, :7], whole[2:8, 3:10], (2, 3))
    assert np.array_equal(one, other)
    assert one.shape == (4, 4)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_images_of_one_level_are_alike_only_if_they_are_equal(level: int) -> None:
    flat = np.full((64, 64, 3), level, np.uint8)
    assert compare_images(flat, flat.copy()).same
    assert compare_images(flat, np.full((64, 64, 3), 7, np.uint8)).correlation == 0


def test_images_of_a_few_pixels_are_alike_only_if_they_are_equal() -> None:
    small = wall(1)[0][:8, :8]
    assert compare_images(small, small.copy()).same
    assert compare_images(small, wall(2)[0][:8, :8]).correlation == 0


def test_images_that_overlap_by_a_corner_only_are_different() -> None:
    large = wall(7, (200, 260))[0]
    assert compare_images(large[:100, :130], large[75:175, 100:230]).correlation < 0.5


def test_a_few_specks_on_white_do_not_make_images_alike() -> None:
    specks = [np.full((192, 192, 3), 255, np.uint8) for _ in range(6)]
    for place, image in enumerate(specks):
        image[40 + place : 43 + place, 50:53] = 0
    assert search(specks) == []


def test_many_images_of_one_pattern_are_not_all_compared_with_all() -> None:
    rng = np.random.default_rng(0)
    base = wall(3, (48, 64))[0].astype(np.int16)
    alike = [np.clip(base + rng.integers(-3, 4, base.shape), 0, 255).astype(np.uint8) for _ in range(30)]
    pairs = search(alike)
    assert len(pairs) == 24 * (30 - 24) + 24 * 23 // 2
    assert {pair.second for pair in pairs} == set(range(1, 30))


def test_copies_within_and_across_splits_are_distinguished(tmp_path: Path) -> None:
    write_walls(tmp_path / "train", 3)
    write_walls(tmp_path / "test", 2, first=10)
    image, crack = wall(1)
    write_sample(tmp_path / "train", "99", image, crack)
    write_sample(tmp_path / "test", "98", image, crack)
    write_sample(tmp_path / "test", "97", decode_image(as_jpeg(wall(2)[0])), wall(2)[1])
    groups = find(tmp_path)
    assert [item.files for item in groups.pop("same-image")] == [
        (Path("train/images/01.png"), Path("train/images/99.png"))
    ]
    (across,) = groups.pop("same-image-across")
    assert across.files == (Path("train/images/01.png"), Path("test/images/98.png"))
    (near,) = groups.pop("near-image-across")
    assert near.files == (Path("train/images/02.png"), Path("test/images/97.png"))
    assert near.text.startswith("nearly the same image (correlation 0.9")
    assert near.text.endswith("the two masks have an IoU of 1.00")
    assert groups == {}


def test_the_agreement_of_two_labels_of_one_image_is_reported(tmp_path: Path) -> None:
    write_walls(tmp_path, 2)
    image, crack = wall(1)
    wide = cv2.dilate(crack.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    write_sample(tmp_path, "copy", image[::-1], wide[::-1])
    (finding,) = find(tmp_path)["same-image"]
    expected = np.count_nonzero(crack) / np.count_nonzero(wide)
    assert finding.text == (f"the same image, mirrored and turned by 180°, the two masks have an IoU of {expected:.2f}")


def test_equal_files_are_found_however_plain_they_are(tmp_path: Path) -> None:
    write_walls(tmp_path, 1)
    for name in ("a", "b", "c"):
        write_png(tmp_path / "images" / f"{name}.png", np.full((40, 40, 3), 200, np.uint8))
        write_png(tmp_path / "masks" / f"{name}.png", mask_pixels(np.zeros((40, 40), np.bool_)))
    groups = find(tmp_path)
    first = Path("images/a.png")
    assert [item.files for item in groups["same-image"]] == [
        (first, Path("images/b.png")),
        (first, Path("images/c.png")),
    ]


@pytest.mark.shared
def test_the_scene_that_spans_deepcracks_split_is_found(shared_folder: Path) -> None:
    report = check_dataset(shared_folder / "data" / "deepcrack256")
    pairs = {item.files for item in report.findings if item.kind == "near-image-across"}
    assert (Path("train/images/11158.jpg"), Path("test/images/11216.jpg")) in pairs
