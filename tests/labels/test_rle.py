"""Tests of run lengths against pycocotools and loops over pixels, and of broken input."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as cocotools

from crackseg.errors import LabelError, UsageError
from crackseg.labels.counts import (
    compress_counts,
    decode_counts,
    decode_cvat,
    decompress_counts,
    encode_counts,
    encode_cvat,
)
from crackseg.labels.rle import DIALECTS, KAGGLE, Dialect, rle_decode, rle_encode
from crackseg.labels.runs import tight_box
from tests.labels.strategies import masks

# pycocotools passes arrays to NumPy 2 in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def in_order(mask: NDArray[np.bool_], dialect: Dialect) -> list[bool]:
    """Flatten a mask in the order of a dialect by loops."""
    height, width = mask.shape
    if dialect.order == "row":
        return [bool(mask[row, col]) for row in range(height) for col in range(width)]
    return [bool(mask[row, col]) for col in range(width) for row in range(height)]


def pairs_by_loop(mask: NDArray[np.bool_], dialect: Dialect) -> str:
    """Encode a mask as pairs, pixel by pixel."""
    numbers: list[int] = []
    before = False
    for index, value in enumerate(in_order(mask, dialect)):
        if value and not before:
            numbers += [index + dialect.first, 0]
        if value:
            numbers[-1] += 1
        before = value
    return " ".join(map(str, numbers))


# Pairs


@given(masks(), st.sampled_from(DIALECTS))
def test_pairs_equal_those_of_a_loop_over_the_pixels(mask: NDArray[np.bool_], dialect: Dialect) -> None:
    assert rle_encode(mask, dialect) == pairs_by_loop(mask, dialect)


@given(masks(), st.sampled_from(DIALECTS))
def test_a_round_trip_of_pairs_restores_the_mask(mask: NDArray[np.bool_], dialect: Dialect) -> None:
    again = rle_decode(rle_encode(mask, dialect), mask.shape, dialect)
    assert again.dtype == np.bool_
    assert np.array_equal(again, mask)


def test_the_classic_example_counts_from_1_down_the_columns() -> None:
    assert np.argwhere(rle_decode("1 3 10 5", (4, 5))).tolist() == [
        [0, 0], [0, 3], [1, 0], [1, 2], [1, 3], [2, 0], [2, 2], [3, 2],
    ]  # fmt: skip


def test_there_are_four_dialects_and_that_of_competitions_is_first() -> None:
    assert len(set(DIALECTS)) == 4
    assert DIALECTS[0] == KAGGLE == Dialect("column", 1)


@pytest.mark.parametrize("text", ["", " ", "\n", "\t \r\n"])
def test_an_empty_text_gives_an_empty_mask(text: str) -> None:
    assert not rle_decode(text, (3, 4)).any()


def test_runs_may_have_any_order_and_any_white_space() -> None:
    assert np.array_equal(rle_decode("10 5\n1\t3", (4, 5)), rle_decode("1 3 10 5", (4, 5)))


def test_runs_may_touch() -> None:
    assert rle_decode("1 3 4 2", (4, 5)).sum() == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("1 3 7", "number 3, start 7, has no length", id="odd count"),
        pytest.param("1 3 x 2", "'x' as number 3", id="no number"),
        pytest.param("1 3 4.5 2", "'4.5' as number 3", id="no whole number"),
        pytest.param("1 3 nan 2", "'nan' as number 3", id="not a number"),
        pytest.param("1 3 ٤ 2", "as number 3", id="digits of another script"),
        pytest.param("1 3 +-4 2", "as number 3", id="two signs"),
        pytest.param("1 3 6 0", "run 2 (start 6, length 0, numbers 3 and 4): expected a length", id="zero length"),
        pytest.param(
            "1 3 6 -2", "run 2 (start 6, length -2, numbers 3 and 4): expected a length", id="negative length"
        ),
        pytest.param("0 3", "run 1 (start 0, length 3, numbers 1 and 2): expected a start of 1", id="0-based"),
        pytest.param("-5 3", "run 1 (start -5", id="negative start"),
        pytest.param("1 3 3 2", "run 2 (start 3) overlaps run 1 (start 1, length 3)", id="overlap"),
        pytest.param("3 2 1 3", "run 1 (start 3) overlaps run 2 (start 1, length 3)", id="overlap, unsorted"),
        pytest.param(
            "19 3", "run 1 (start 19, length 3, numbers 1 and 2): runs past the last pixel", id="past the end"
        ),
        pytest.param("21 1", "run 1 (start 21", id="starts past the end"),
        pytest.param("1 99999999999999999999999999", "run 1 (start 1", id="length beyond any integer"),
        pytest.param("99999999999999999999999999 1", "run 1", id="start beyond any integer"),
        pytest.param("x 99999999999999999999999999", "'x' as number 1", id="no number before a large one"),
    ],
)
def test_an_error_in_pairs_names_the_run(text: str, message: str) -> None:
    with pytest.raises(LabelError) as caught:
        rle_decode(text, (4, 5), name="row 7")
    assert str(caught.value).startswith("row 7: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (-4, -5), (10**9, 10**9)])
def test_an_invalid_shape_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(LabelError, match="expected a height and width"):
        rle_decode("1 1", shape)


@given(st.text("0123456789 -x.\n", max_size=40), st.sampled_from(DIALECTS))
def test_any_text_is_a_mask_or_a_typed_error(text: str, dialect: Dialect) -> None:
    with contextlib.suppress(LabelError):
        assert rle_decode(text, (6, 7), dialect).shape == (6, 7)


# COCO


def coco_rle(mask: NDArray[np.bool_]) -> bytes:
    """Return the compressed string of pycocotools."""
    counts = cocotools.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    assert isinstance(counts, bytes)
    return counts


@given(masks())
def test_compressed_strings_equal_those_of_pycocotools(mask: NDArray[np.bool_]) -> None:
    assert compress_counts(encode_counts(mask)).encode() == coco_rle(mask)


@given(masks())
def test_strings_of_pycocotools_are_read(mask: NDArray[np.bool_]) -> None:
    counts = decompress_counts(coco_rle(mask))
    assert np.array_equal(decode_counts(counts, mask.shape), mask)
    assert np.array_equal(decompress_counts(coco_rle(mask).decode()), counts)


@given(masks())
def test_pycocotools_reads_compressed_and_plain_counts(mask: NDArray[np.bool_]) -> None:
    counts = encode_counts(mask)
    size = list(mask.shape)
    assert np.array_equal(cocotools.decode({"size": size, "counts": compress_counts(counts).encode()}), mask)
    plain = cocotools.frPyObjects({"size": size, "counts": counts.tolist()}, *size)
    assert np.array_equal(cocotools.decode(plain), mask)


@given(st.lists(st.integers(0, 2**31), min_size=0, max_size=30))
def test_any_counts_survive_compression(counts: list[int]) -> None:
    assert decompress_counts(compress_counts(np.array(counts, np.int64))).tolist() == counts


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20).filter(lambda counts: sum(counts) > 0))
def test_counts_of_zero_are_read_like_pycocotools(counts: list[int]) -> None:
    shape = (1, sum(counts))
    theirs = cocotools.decode(cocotools.frPyObjects({"size": list(shape), "counts": counts}, *shape))
    assert np.array_equal(decode_counts(counts, shape), theirs)


@given(masks())
def test_a_large_mask_has_long_numbers(mask: NDArray[np.bool_]) -> None:
    large = np.kron(mask, np.ones((40, 50), np.bool_))
    assert compress_counts(encode_counts(large)).encode() == coco_rle(large)


def test_no_counts_give_an_empty_mask() -> None:
    assert not decode_counts([], (3, 4)).any()
    assert decompress_counts("").tolist() == []


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        pytest.param([3, -1, 10], "-1 as count 2", id="negative"),
        pytest.param([3, 10**30, 10], "as count 2", id="beyond any integer"),
        pytest.param([3, 4, 6], "count 3 runs past the end", id="too many"),
        pytest.param([3, 4], "the last pixels are not counted", id="too few"),
        pytest.param([3, 4.0, 5], "'4.0' as count 2", id="no whole number"),
        pytest.param([3, "4", 5], "'4' as count 2", id="text"),
        pytest.param([3, None, 5], "'None' as count 2", id="nothing"),
        pytest.param([3, True, 8], "'True' as count 2", id="boolean"),
    ],
)
def test_an_error_in_counts_names_the_count(counts: list[int], message: str) -> None:
    with pytest.raises(LabelError) as caught:
        decode_counts(counts, (3, 4))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("05\x00", "as character 3", id="below the alphabet"),
        pytest.param("05~", "'~' as character 3", id="above the alphabet"),
        pytest.param("05é", "as character 3", id="not ASCII"),
        pytest.param("05P", "incomplete at character 3", id="truncated"),
        pytest.param("0" + "o" * 20 + "0", "the number at character 2 is larger", id="too long a number"),
    ],
)
def test_an_error_in_a_compressed_string_names_the_character(text: str, message: str) -> None:
    with pytest.raises(LabelError) as caught:
        decompress_counts(text)
    assert message in str(caught.value)


@given(st.binary(max_size=30))
def test_any_bytes_are_counts_or_a_typed_error(data: bytes) -> None:
    with contextlib.suppress(LabelError):
        assert decode_counts(decompress_counts(data), (5, 6)).shape == (5, 6)


# CVAT


@given(masks().filter(lambda mask: bool(mask.any())))
def test_cvat_counts_row_by_row_inside_the_tight_box(mask: NDArray[np.bool_]) -> None:
    counts, box = encode_cvat(mask)
    assert box == tight_box(mask)
    # The maintainers unpack a mask pixel by pixel along the rows of the box.
    again = np.zeros_like(mask)
    offset, value = 0, False
    for count in counts.tolist():
        for _ in range(count):
            row, col = divmod(offset, box[3] - box[1])
            again[row + box[0], col + box[1]] = value
            offset += 1
        value = not value
    assert np.array_equal(again, mask)
    assert np.array_equal(decode_cvat(counts, box, mask.shape), mask)


@pytest.mark.parametrize("box", [(0, 0, 0, 2), (-1, 0, 2, 2), (0, 0, 4, 2), (2, 1, 1, 2)])
def test_a_box_of_cvat_outside_the_image_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(LabelError, match="does not lie in the image of 3x3 pixels"):
        decode_cvat([0, 4], box, (3, 3))


def test_counts_that_do_not_fill_their_box_are_refused() -> None:
    with pytest.raises(LabelError, match="add up to 4 = 2x2 pixels, got 3"):
        decode_cvat([1, 2], (0, 0, 2, 2), (3, 3))


def test_an_empty_mask_cannot_be_a_cvat_object() -> None:
    assert tight_box(np.zeros((3, 3), np.bool_)) is None
    with pytest.raises(UsageError, match="empty"):
        encode_cvat(np.zeros((3, 3), np.bool_))
