"""Tests of Label Studio brushes against a bitwise reader and bytes of its converter."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.errors import LabelError
from crackseg.labels.brush import decode_brush, encode_brush
from tests.labels.strategies import masks


class Bits:
    """A stream of bits, read from the front."""

    def __init__(self, data: list[int]) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)

    def take(self, count: int) -> int:
        taken, self.text = self.text[:count], self.text[count:]
        return int(taken, 2)


def values_one_by_one(data: list[int]) -> list[int]:
    """Unpack a stream bit by bit, as Label Studio documents it."""
    bits = Bits(data)
    total, word = bits.take(32), bits.take(5) + 1
    widths = [bits.take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        repeated = bits.take(1)
        length = bits.take(widths[bits.take(2)]) + 1
        values += [bits.take(word)] * length if repeated else [bits.take(word) for _ in range(length)]
    return values


def packed(*fields: tuple[int, int]) -> list[int]:
    """Pack (number, bit count) pairs into bytes."""
    text = "".join(f"{number:0{bits}b}" for number, bits in fields)
    text += "0" * (-len(text) % 8)
    return [int(text[at : at + 8], 2) for at in range(0, len(text), 8)]


@given(masks())
def test_a_brush_unpacks_to_an_opaque_image_of_the_mask(mask: NDArray[np.bool_]) -> None:
    values = np.array(values_one_by_one(encode_brush(mask)))
    assert np.array_equal(values.reshape(*mask.shape, 4), np.repeat(mask[..., None], 4, axis=2) * 255)


@given(masks())
def test_a_brush_round_trip_restores_the_mask(mask: NDArray[np.bool_]) -> None:
    assert np.array_equal(decode_brush(encode_brush(mask), mask.shape), mask)


def test_long_runs_are_divided() -> None:
    mask = np.zeros((300, 400), np.bool_)
    mask[100:250] = True
    assert np.array_equal(decode_brush(encode_brush(mask), mask.shape), mask)
    assert len(values_one_by_one(encode_brush(mask))) == 4 * mask.size


def test_the_bytes_equal_those_of_label_studios_converter() -> None:
    mask = np.zeros((3, 5), np.bool_)
    mask[1, 1:4] = True
    # encode_rle of label-studio-converter 0.0.59 on this mask, four times repeated.
    assert encode_brush(mask) == [0, 0, 0, 60, 57, 27, 254, 23, 0, 183, 255, 133, 192, 0]


def test_literal_runs_are_read_and_alpha_decides() -> None:
    header = [(8, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4)]
    pixels = [(10, 20, 30, 0), (0, 0, 0, 7)]
    data = packed(*header, (0, 1), (0, 2), (7, 3), *[(value, 8) for pixel in pixels for value in pixel])
    assert decode_brush(data, (1, 2)).tolist() == [[False, True]]


@given(st.integers(1, 16), st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 7)), min_size=1))
def test_any_width_of_values_and_any_kind_of_run_is_read(word: int, runs: list[tuple[bool, int, int]]) -> None:
    lengths = [length + 1 for _, _, length in runs]
    rest = -sum(lengths) % 4
    runs = runs + [(True, 0, rest - 1)] * bool(rest)
    fields = [(sum(lengths) + rest, 32), (word - 1, 5), (2, 4), (2, 4), (7, 4), (15, 4)]
    rng = np.random.default_rng(word)
    for repeated, choice, length in runs:
        fields += [(int(repeated), 1), (choice, 2), (length, (3, 3, 8, 16)[choice])]
        fields += [(int(rng.integers(0, 2**word)), word) for _ in range(1 if repeated else length + 1)]
    data = packed(*fields)
    alpha = np.array(values_one_by_one(data)[3::4])
    assert np.array_equal(decode_brush(data, (1, alpha.size))[0], alpha > 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param([], "ends after 0 bytes", id="nothing"),
        pytest.param([0, 0, 0], "ends after 3 bytes", id="within the header"),
        pytest.param([0, 256], "'256' as number 2", id="no byte"),
        pytest.param([0, -1], "'-1' as number 2", id="negative"),
        pytest.param([0, 1.5], "'1.5' as number 2", id="no whole number"),
        pytest.param(["a"], "'a' as number 1", id="text"),
        pytest.param([None], "'None' as number 1", id="nothing in a list"),
        pytest.param(encode_brush(np.ones((3, 5), np.bool_)), "the stream holds 60", id="another size"),
        pytest.param(packed((16, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4), (1, 1)), "ends within run 1", id="cut"),
        pytest.param(
            packed((16, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4), (7, 3), (16, 16), (9, 8)),
            "exceeds its 16 values in run 1",
            id="too many values",
        ),
    ],
)
def test_an_error_in_a_brush_names_its_position(data: list[int], message: str) -> None:
    with pytest.raises(LabelError) as caught:
        decode_brush(data, (2, 2), name="result 3")
    assert str(caught.value).startswith("result 3: ")
    assert message in str(caught.value)


@given(masks(), st.data())
def test_a_truncated_brush_is_a_mask_or_a_typed_error(mask: NDArray[np.bool_], data: st.DataObject) -> None:
    whole = encode_brush(mask)
    with contextlib.suppress(LabelError):
        cut = whole[: data.draw(st.integers(0, len(whole)))]
        assert np.array_equal(decode_brush(cut, mask.shape), mask)
