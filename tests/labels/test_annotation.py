"""Tests of labelled images and objects, the types that all formats share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray
from skimage.measure import label as label_components

from crackseg.errors import LabelError
from crackseg.labels.annotation import (
    Cutout,
    LabelledImage,
    LabelledObject,
    as_cutout,
    as_polygons,
    draw_object,
    draw_objects,
    mask_iou,
    mask_object,
    mask_objects,
    ring_object,
)
from tests.labels.strategies import draw_image, labelled_images, masks


@given(masks())
def test_mask_objects_are_the_8_connected_components(mask: NDArray[np.bool_]) -> None:
    items = mask_objects(mask, "crack")
    assert len(items) == label_components(mask, connectivity=2).max()  # type: ignore[no-untyped-call]
    assert np.array_equal(draw_objects(items, (mask.shape[0], mask.shape[1])), mask)
    assert sum(int(draw_object(item, (mask.shape[0], mask.shape[1])).sum()) for item in items) == mask.sum()


@given(labelled_images())
def test_an_object_drawn_or_traced_keeps_its_pixels(image: LabelledImage) -> None:
    for item in image.objects:
        before = draw_object(item, image.shape)
        for after in (
            as_cutout(item, image.shape),
            as_polygons(item, image.shape, "centre"),
            as_polygons(item, image.shape, "touch"),
        ):
            assert after is not None
            assert np.array_equal(draw_object(after, image.shape), before)


@given(labelled_images())
def test_every_pixel_of_an_object_lies_in_its_box(image: LabelledImage) -> None:
    for item in image.objects:
        rows, cols = np.nonzero(draw_object(item, image.shape))
        assert item.box[0] <= rows.min() + 0.5
        assert item.box[1] <= cols.min() + 0.5
        assert rows.max() + 0.5 <= item.box[2]
        assert cols.max() + 0.5 <= item.box[3]


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        pytest.param((1, 2, 3, 5), 6, id="whole pixels"),
        pytest.param((1.4, 2.4, 2.6, 4.6), 6, id="centres inside"),
        pytest.param((1.6, 2.6, 2.4, 4.4), 0, id="no row has its centre inside"),
    ],
)
def test_a_box_without_outline_covers_the_pixels_with_centres_inside(
    box: tuple[float, float, float, float], pixels: int
) -> None:
    assert draw_object(LabelledObject("crack", box), (6, 7)).sum() == pixels


def test_an_object_beyond_the_image_is_refused() -> None:
    item = LabelledObject("crack", (0, 0, 2, 2), Cutout(3, 3, np.ones((2, 2), np.bool_)))
    with pytest.raises(LabelError, match=r"wall\.png: object 1: the object reaches beyond the image of 4x4"):
        draw_objects([item], (4, 4), name="wall.png")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        pytest.param("wall.png", "wall", id="plain"),
        pytest.param("a/b/wall.v2.png", "wall.v2", id="folders and dots"),
        pytest.param("C:\\photos\\wall.png", "wall", id="another system's slashes"),
        pytest.param("../../etc/passwd", "passwd", id="climbing up"),
        pytest.param("wall", "wall", id="no suffix"),
        pytest.param(".hidden", ".hidden", id="nothing but a suffix"),
    ],
)
def test_the_stem_of_a_name_holds_no_folder(name: str, stem: str) -> None:
    assert LabelledImage(name, (1, 1)).stem == stem


@pytest.mark.parametrize("name", ["", ".", "..", "a/", "../..", "a\0b", "   "])
def test_a_name_that_is_not_a_file_name_is_refused(name: str) -> None:
    with pytest.raises(LabelError, match="the image name cannot be used as a file name"):
        _ = LabelledImage(name, (1, 1)).stem


def test_iou_counts_pixels_and_two_empty_masks_agree() -> None:
    empty, dot, two = (np.zeros((2, 2), np.bool_) for _ in range(3))
    dot[0, 0] = two[0, 0] = two[1, 1] = True
    assert (mask_iou(empty, empty), mask_iou(dot, two), mask_iou(empty, dot)) == (1, 0.5, 0)


def test_an_empty_mask_gives_no_object() -> None:
    assert mask_object(np.zeros((3, 3), np.bool_), "crack") is None
    assert mask_objects(np.zeros((3, 3), np.bool_), "crack") == ()
    speck = ring_object([np.array([(0.1, 0.1), (0.1, 0.2), (0.2, 0.1)])], "centre", "crack")
    assert as_cutout(speck, (3, 3)) is None
    assert as_polygons(speck, (3, 3), "touch") is None


@given(labelled_images(categories=("crack", "spall")))
def test_the_masks_of_all_classes_add_up_to_the_whole_mask(image: LabelledImage) -> None:
    assert np.array_equal(draw_image(image, "crack") | draw_image(image, "spall"), draw_image(image))
