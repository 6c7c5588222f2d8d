"""Tests of guessing the dialect of a column of RLEs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.labels.guess import guess_dialect
from crackseg.labels.rle import DIALECTS, KAGGLE, Dialect, rle_encode


def crack_masks(shape: tuple[int, int]) -> list[NDArray[np.bool_]]:
    """Return masks of crooked lines from border to border."""
    rng = np.random.default_rng(5)
    masks = []
    for _ in range(6):
        canvas = np.zeros(shape, np.uint8)
        for _ in range(2):
            rows = rng.integers(0, shape[0], 6)
            cols = np.linspace(0, shape[1] - 1, 6).astype(int)
            points = np.stack((cols, rows), axis=1)
            cv2.polylines(canvas, [points.astype(np.int32)], isClosed=False, color=1, thickness=3)
            cv2.line(canvas, (int(cols[2]), 0), (int(cols[3]), shape[0] - 1), 1, 2)
        masks.append(canvas.astype(np.bool_))
    return masks


@pytest.mark.parametrize("shape", [(90, 160), (200, 60)])
@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
def test_the_dialect_of_the_encoder_ranks_first(dialect: Dialect, shape: tuple[int, int]) -> None:
    guesses = guess_dialect([rle_encode(mask, dialect) for mask in crack_masks(shape)], shape)
    assert guesses[0].dialect == dialect
    assert {guess.dialect for guess in guesses} == set(DIALECTS)
    assert guesses[0].read == guesses[0].total == 6
    assert guesses[0].components + guesses[0].seams < guesses[1].components + guesses[1].seams or guesses[1].read < 6


def test_the_reason_gives_the_counts_of_a_dialect() -> None:
    guesses = guess_dialect([rle_encode(mask) for mask in crack_masks((90, 160))], (90, 160))
    assert "reads 6 of 6" in guesses[0].reason
    assert "components" in guesses[0].reason
    assert "over the image border" in guesses[0].reason


def test_a_start_of_0_rules_out_counting_from_1() -> None:
    guesses = guess_dialect(["0 3"], (5, 8))
    assert guesses[0].dialect.first == 0
    assert "expected a start of 1" in guesses[-1].reason


def test_the_last_pixel_rules_out_counting_from_0() -> None:
    assert guess_dialect(["38 3"], (5, 8))[0].dialect.first == 1


def test_tied_dialects_rank_by_use_and_the_reason_names_them() -> None:
    guesses = guess_dialect(["14 2"], (6, 6))
    assert guesses[0].dialect == KAGGLE
    assert "tied with" in guesses[0].reason


@pytest.mark.parametrize("rles", [[], ["", " "], ["not a number"]])
def test_a_column_without_information_is_ranked(rles: list[str]) -> None:
    guesses = guess_dialect(rles, (6, 6))
    assert guesses[0].dialect == KAGGLE
    assert guesses[0].read == 0
