"""Samples with binary masks or masks of class numbers, read without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.datasets.class_masks import check_classes, read_class_sample, split_void
from crackseg.datasets.samples import Sample, find_samples
from crackseg.errors import DatasetError
from crackseg.imaging.codec import write_png
from tests.conftest import RunPython


def sample_with(folder: Path, mask: NDArray[np.uint8]) -> Sample:
    for name in ("images", "masks"):
        (folder / name).mkdir()
    write_png(folder / "images" / "wall.png", np.full((6, 8, 3), 120, np.uint8))
    write_png(folder / "masks" / "wall.png", mask)
    return find_samples(folder, "train")[0]


def classes_of(*numbers: int) -> NDArray[np.uint8]:
    mask = np.zeros((6, 8), np.uint8)
    mask[2, : len(numbers)] = numbers
    return mask


@pytest.mark.parametrize("classes", [1, 2])
def test_up_to_two_classes_are_crack_or_not(tmp_path: Path, classes: int) -> None:
    mask = classes_of(255, 255, 0)
    image, numbers = read_class_sample(sample_with(tmp_path, mask), classes)
    assert image.shape == (6, 8, 3)
    np.testing.assert_array_equal(numbers, mask // 255)


def test_above_two_classes_a_pixel_is_the_number_of_its_class(tmp_path: Path) -> None:
    mask = classes_of(1, 2, 3, 0, 2)
    np.testing.assert_array_equal(read_class_sample(sample_with(tmp_path, mask), 4)[1], mask)


@pytest.mark.parametrize(
    ("mask", "mentions"),
    [
        pytest.param(
            classes_of(255, 0),
            "expected class numbers 0 to 2, got a mask of 0 and 255; .*network.classes=1",
            id="binary",
        ),
        pytest.param(classes_of(1, 7), "numbers 0 to 2, got 7; .*network.classes=8 or more", id="a class too many"),
        pytest.param(np.zeros((5, 8), np.uint8), r"expected one channel of 8x6 px, got the shape \(5, 8\)", id="size"),
        pytest.param(np.zeros((6, 8, 3), np.uint8), r"expected one channel .*\(6, 8, 3\)", id="colours"),
    ],
)
def test_masks_that_hold_no_class_numbers_are_named(tmp_path: Path, mask: NDArray[np.uint8], mentions: str) -> None:
    with pytest.raises(DatasetError, match=rf"wall\.png: .*{mentions}"):
        read_class_sample(sample_with(tmp_path, mask), 3)


def test_several_classes_need_a_mask_with_more_than_one() -> None:
    one, two = classes_of(1, 0), classes_of(2)
    check_classes([one, two], 3)
    check_classes([one], 2)
    with pytest.raises(DatasetError, match="all masks hold only crack and background"):
        check_classes([one, one], 3)


def test_class_masks_are_read_without_torch(run_python: RunPython) -> None:
    answer = run_python("import sys, crackseg.datasets.class_masks; print('torch' in sys.modules)")
    assert answer.stdout.strip() == "False", answer.stderr


@pytest.mark.parametrize("classes", [1, 3])
def test_255_next_to_class_numbers_is_void(tmp_path: Path, classes: int) -> None:
    numbers = read_class_sample(sample_with(tmp_path, classes_of(1, 1, 255)), classes)[1]
    np.testing.assert_array_equal(numbers, classes_of(1, 1, 255))
    plain, void = split_void(numbers)
    assert (plain.sum(), void.sum()) == (2, 1)
