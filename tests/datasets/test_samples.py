"""Samples in data folders of all layouts."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackseg.datasets.samples import Sample, Split, check_sizes, find_samples, hash_samples, hold_out, read_sample
from crackseg.errors import DatasetError, ImageError, UsageError
from crackseg.imaging.codec import write_png


def write_pair(
    folder: Path, name: str, *, shape: tuple[int, int] = (6, 8), mask: tuple[int, int] | None = None
) -> None:
    for part, size in (("images", shape), ("masks", mask or shape)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        write_png(folder / part / name, np.full(size, len(name) % 2 * 255, np.uint8))


def test_a_flat_folder_serves_every_split(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        write_pair(tmp_path, name)
    splits: tuple[Split, ...] = ("train", "val", "test")
    for split in splits:
        samples = find_samples(tmp_path, split)
        assert [sample.image.name for sample in samples] == ["a.png", "b.png"]
        assert samples[0] == Sample(tmp_path / "images/a.png", tmp_path / "masks/a.png", tmp_path.name)


@pytest.mark.parametrize(
    ("parts", "split", "expected"),
    [
        pytest.param(("train", "test"), "train", "train", id="train is train"),
        pytest.param(("train", "test"), "test", "test", id="test is test"),
        pytest.param(("train", "val", "test"), "val", "val", id="val is val"),
        pytest.param(("train", "test"), "val", "test", id="test serves as val"),
    ],
)
def test_a_folder_with_splits_gives_the_requested_split(
    tmp_path: Path, parts: tuple[str, ...], split: Split, expected: str
) -> None:
    for part in parts:
        write_pair(tmp_path / part, f"{part}.png")
    assert [sample.image.stem for sample in find_samples(tmp_path, split)] == [expected]


def test_test_images_are_never_used_for_training(tmp_path: Path) -> None:
    write_pair(tmp_path / "test", "a.png")
    with pytest.raises(UsageError, match="no images here; name a folder with images and masks, or train/images"):
        find_samples(tmp_path, "train")


def test_an_image_and_its_mask_may_be_of_different_formats(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.png")
    (tmp_path / "images/a.png").rename(tmp_path / "images/a.tiff")
    (sample,) = find_samples(tmp_path, "train")
    assert (sample.image.name, sample.mask.name) == ("a.tiff", "a.png")


def test_a_mask_without_an_image_does_no_harm(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.png")
    write_png(tmp_path / "masks/spare.png", np.zeros((2, 2), np.uint8))
    assert len(find_samples(tmp_path, "train")) == 1


def test_an_image_without_a_mask_is_named_with_the_mask_expected(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        write_pair(tmp_path, name)
    (tmp_path / "masks/b.png").unlink()
    with pytest.raises(DatasetError, match=r"b\.png: 1 of 3 images have no mask; add b\.png to .*masks"):
        find_samples(tmp_path, "train")


@pytest.mark.parametrize("part", ["images", "masks"])
def test_two_files_of_one_stem_are_refused(tmp_path: Path, part: str) -> None:
    write_pair(tmp_path, "a.png")
    (tmp_path / part / "a.bmp").write_bytes((tmp_path / part / "a.png").read_bytes())
    with pytest.raises(DatasetError, match=r"a\.png: has the same stem as a\.bmp"):
        find_samples(tmp_path, "train")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone: no such data folder"):
        find_samples(tmp_path / "gone", "train")


def test_images_without_a_folder_of_masks_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.png")
    (tmp_path / "masks").rename(tmp_path / "labels")
    with pytest.raises(UsageError, match="no folder 'masks' next to 'images'; put the masks there"):
        find_samples(tmp_path, "train")


def test_an_empty_folder_of_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(UsageError, match="images: no images here; put images there"):
        find_samples(tmp_path, "train")


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.png", shape=(6, 8), mask=(8, 6))
    samples = find_samples(tmp_path, "train")
    expected = r"masks/a\.png: the mask is 6x8 pixels, its image 8x6"
    with pytest.raises(DatasetError, match=expected):
        read_sample(samples[0])
    with pytest.raises(DatasetError, match=expected):
        check_sizes(samples)


def test_a_good_sample_is_read_as_pixels_and_mask(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.png")
    samples = find_samples(tmp_path, "train")
    check_sizes(samples)
    image, mask = read_sample(samples[0])
    assert (image.shape, mask.shape) == ((6, 8, 3), (6, 8))
    assert image.dtype == np.uint8
    assert mask.dtype == np.bool_
    assert mask.all()


def test_a_broken_header_is_found_before_any_pixel_is_needed(tmp_path: Path) -> None:
    write_pair(tmp_path, "a.png")
    (tmp_path / "masks/a.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"masks/a\.png"):
        check_sizes(find_samples(tmp_path, "train"))


def test_names_that_are_not_text_are_found(tmp_path: Path) -> None:
    write_pair(tmp_path, os.fsdecode(b"\xff.png"))
    (sample,) = find_samples(tmp_path, "train")
    assert os.fsencode(sample.mask.name) == b"\xff.png"
    assert hold_out([sample, sample], 0.5)


def make_samples(groups: dict[str, list[str]]) -> list[Sample]:
    return [
        Sample(Path(f"{stem}.png"), Path(f"m/{stem}.png"), group) for group, stems in groups.items() for stem in stems
    ]


STEMS = st.lists(st.text("abcdef0123456789", min_size=1, max_size=8), min_size=2, max_size=30, unique=True)


@given(stems=st.dictionaries(st.sampled_from("xyz"), STEMS, min_size=1), fraction=st.floats(0.01, 0.99))
def test_holding_out_divides_each_group_into_two_parts(stems: dict[str, list[str]], fraction: float) -> None:
    samples = make_samples(stems)
    train, held = hold_out(samples, fraction)
    assert [sample for sample in samples if sample in train or sample in held] == samples
    assert not set(train) & set(held)
    for group, members in stems.items():
        share = len([sample for sample in held if sample.group == group])
        assert 1 <= share <= len(members) - 1
        assert abs(share - fraction * len(members)) <= 1


@given(stems=STEMS)
def test_held_out_samples_do_not_depend_on_the_order(stems: list[str]) -> None:
    one = hold_out(make_samples({"x": stems}), 0.3)[1]
    two = hold_out(make_samples({"x": stems[::-1]}), 0.3)[1]
    assert set(one) == set(two)


@given(stems=STEMS, left_out=st.integers(0, 29))
def test_taking_one_file_away_moves_at_most_one_other(stems: list[str], left_out: int) -> None:
    fewer = [stem for index, stem in enumerate(stems) if index != left_out % len(stems)]
    before = {sample.image for sample in hold_out(make_samples({"x": stems}), 0.3)[1]}
    after = {sample.image for sample in hold_out(make_samples({"x": fewer}), 0.3)[1]} if len(fewer) > 1 else set()
    gone = Path(f"{stems[left_out % len(stems)]}.png")
    assert len(after - before) <= 1
    assert len(before - after - {gone}) <= 1


def test_a_group_of_one_is_kept_for_training() -> None:
    samples = make_samples({"x": ["only"]})
    assert hold_out(samples, 0.5) == (tuple(samples), ())


def test_the_hash_of_data_changes_with_any_byte_and_with_nothing_else(tmp_path: Path) -> None:
    for name in ("a.png", "bb.png"):
        write_pair(tmp_path / "one", name)
        write_pair(tmp_path / "two", name)
    one, two = (find_samples(tmp_path / name, "train") for name in ("one", "two"))
    assert hash_samples(one) == hash_samples(two)
    assert len(hash_samples(one)) == 64
    write_png(two[0].mask, np.full((6, 8), 254, np.uint8))
    assert hash_samples(one) != hash_samples(two)
