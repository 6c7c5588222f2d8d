"""Tests of competition CSV files in their many variants."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.labels.kaggle import KaggleRow, decode_kaggle, encode_kaggle, mask_row
from crackseg.labels.rle import rle_decode
from tests.labels.strategies import masks


def read(text: str) -> list[tuple[str, str | None, str]]:
    return [(row.image, row.category, row.rle) for row in decode_kaggle(text.encode("utf-8"))]


@given(masks(), st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).map(str.strip).filter(bool))
def test_a_mask_survives_a_round_trip_under_any_name(mask: NDArray[np.bool_], image: str) -> None:
    (row,) = decode_kaggle(encode_kaggle([mask_row(mask, image)]))
    assert row.image == image
    assert row.category is None
    assert np.array_equal(rle_decode(row.rle, mask.shape), mask)


def test_a_file_has_the_columns_of_the_classic_competition() -> None:
    assert encode_kaggle([KaggleRow("a.jpg", None, "1 3"), KaggleRow("b.jpg", None, "")]) == (
        b"ImageId,EncodedPixels\na.jpg,1 3\nb.jpg,\n"
    )


def test_classes_have_a_separate_column() -> None:
    assert encode_kaggle([KaggleRow("a.jpg", "spall", "1 3"), KaggleRow("b.jpg", None, "")]) == (
        b"ImageId,ClassId,EncodedPixels\na.jpg,spall,1 3\nb.jpg,,\n"
    )


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        pytest.param(
            "ImageId,EncodedPixels\na.jpg,1 3\na.jpg,9 2\n",
            [("a.jpg", None, "1 3"), ("a.jpg", None, "9 2")],
            id="several rows of an image",
        ),
        pytest.param(
            "ImageId_ClassId,EncodedPixels\r\n0002cc93b.jpg_1,29102 12\r\n0002cc93b.jpg_2,\r\n",
            [("0002cc93b.jpg", "1", "29102 12"), ("0002cc93b.jpg", "2", "")],
            id="image and class joined",
        ),
        pytest.param("ImageId,ClassId,EncodedPixels\na.jpg,3,1 3\n", [("a.jpg", "3", "1 3")], id="a column of classes"),
        pytest.param(
            "ImageId,EncodedPixels\na,\nb,-1\nc, -1 \nd,nan\ne,NaN\nf\n",
            [(name, None, "") for name in "abcdef"],
            id="nothing drawn, in six ways",
        ),
        pytest.param("id;class;segmentation\ncase_1;large;3 4\n", [("case_1", "large", "3 4")], id="semicolons"),
        pytest.param("img\trle\na\t1 2\n", [("a", None, "1 2")], id="tabs"),
        pytest.param("\ufeffImageId,EncodedPixels\na,1 2\n", [("a", None, "1 2")], id="byte order mark"),
        pytest.param(",ImageId,EncodedPixels\n0,a,1 2\n", [("a", None, "1 2")], id="numbered rows"),
        pytest.param("ImageId,EncodedPixels\n\na,1 2\n,\n", [("a", None, "1 2")], id="empty rows"),
        pytest.param('"ImageId",EncodedPixels\n"a,b","1 2"\n', [("a,b", None, "1 2")], id="quoted cells"),
        pytest.param("ImageId,EncodedPixels\n", [], id="only a header"),
    ],
)
def test_files_of_competitions_are_read(text: str, rows: list[tuple[str, str | None, str]]) -> None:
    assert read(text) == rows


def test_optional_height_and_width_are_read() -> None:
    (row,) = decode_kaggle(b"ImageId,EncodedPixels,Height,Width\na,1 2,10,20.0\n")
    assert row.shape == (10, 20)


def test_a_cell_may_exceed_the_csv_limit_which_is_restored() -> None:
    before = csv.field_size_limit()
    long = " ".join(f"{start} 1" for start in range(1, 100_000, 2))
    assert len(long) > before
    (row,) = decode_kaggle(f"ImageId,EncodedPixels\na,{long}\n".encode())
    assert row.rle == long
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "CSV:1: the header has no image column", id="empty file"),
        pytest.param("EncodedPixels\n1 2\n", "CSV:1: the header has no image column", id="no images"),
        pytest.param("ImageId,x\na,1 2\n", "CSV:1: the header has no RLE column", id="no run lengths"),
        pytest.param("ImageId,EncodedPixels\na,1 2\n,3 4\n", "CSV:3: the row names no image", id="no name"),
        pytest.param(
            "ImageId_ClassId,EncodedPixels\nwall,1 2\n", "CSV:2: the row names no image", id="no class joined"
        ),
        pytest.param('ImageId,EncodedPixels\n"a,1\n', "CSV:2: not valid CSV", id="open quote"),
        pytest.param("ImageId,EncodedPixels,Height,Width\na,1 2,x,9\n", "CSV:2: expected height", id="height"),
        pytest.param("ImageId,EncodedPixels,Height,Width\na,1 2,inf,9\n", "CSV:2: expected height", id="infinite"),
    ],
)
def test_an_error_in_a_file_names_its_line(text: str, message: str) -> None:
    with pytest.raises(LabelError) as caught:
        read(text)
    assert message in str(caught.value)


@given(st.binary(max_size=80))
def test_any_bytes_are_rows_or_a_typed_error(data: bytes) -> None:
    error: str | None = None
    rows: tuple[KaggleRow, ...] = ()
    try:
        rows = tuple(decode_kaggle(b"ImageId,EncodedPixels\n" + data))
    except LabelError as caught:
        error = str(caught)
    assert all(row.image and 2 <= row.line <= 2 + len(data) for row in rows)
    assert error is None or (error.startswith("CSV") and "\n" not in error)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["", "x"])), max_size=5))
def test_the_csv_module_reads_what_is_written(rows: list[tuple[str, str]]) -> None:
    data = encode_kaggle([KaggleRow(image, category or None, "1 2") for image, category in rows])
    parsed = list(csv.DictReader(io.StringIO(data.decode())))
    assert [row["ImageId"] for row in parsed] == [image for image, _ in rows]
