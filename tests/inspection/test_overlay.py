"""Test that overlays and thumbnails show verdict, reasons and the widest place."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crackseg.imaging.codec import read_image
from crackseg.inspection.overlay import (
    THUMBNAIL_SIDE_PX,
    VERDICT_COLOURS,
    add_caption,
    draw_result,
    encode_thumbnail,
    find_widest_place,
)
from crackseg.inspection.records import VERDICTS
from crackseg.measurement.crack import measure_cracks

pytestmark = pytest.mark.train


@pytest.mark.parametrize("verdict", VERDICTS)
def test_verdict_and_reasons_stand_below_the_image_and_hide_none_of_it(verdict: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 400, 3), dtype=np.uint8)
    heights = []
    for reasons in ((), ("NG long crack: length_px 130 >= 100",), ("NG one", "NG two", "WARN three: " + "word " * 60)):
        shown = add_caption(image, verdict, reasons)  # type: ignore[arg-type]
        assert (shown[:120] == image).all()
        strip = shown[120:]
        assert (strip[-1] == VERDICT_COLOURS[verdict]).all()  # type: ignore[index]
        white = np.asarray((strip > 240).all(axis=2))
        assert white.any()
        heights.append(strip.shape[0])
        if reasons:
            below = white[heights[0] :]
            assert below.any()
    assert heights == sorted(set(heights))


@pytest.mark.parametrize("colour", VERDICT_COLOURS.values(), ids=VERDICT_COLOURS)
def test_white_text_is_readable_on_every_verdict_colour(colour: tuple[int, int, int]) -> None:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in np.array(colour) / 255]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_a_ring_marks_where_the_widest_crack_is_widest() -> None:
    image, mask = np.full((200, 300, 3), 180, np.uint8), np.zeros((200, 300), np.bool_)
    mask[40:44, 20:280] = True
    mask[150:154, 20:280] = True
    mask[142:162, 200:220] = True
    place = find_widest_place(measure_cracks(mask))
    assert place is not None
    row, col, width_px = place
    assert abs(row - 152) <= 8
    assert 195 <= col <= 225
    ring = (draw_result(image, mask, place) != draw_result(image, mask, None)).any(axis=2)
    rows, cols = np.nonzero(ring)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(row, abs=1)
    assert (cols.min() + cols.max()) / 2 == pytest.approx(col, abs=1)
    assert cols.max() - cols.min() >= width_px


def test_a_thumbnail_is_small_and_shows_the_whole(tmp_path: Path) -> None:
    image = np.zeros((300, 900, 3), np.uint8)
    image[:, 450:] = (200, 60, 20)
    (tmp_path / "thumbnail.webp").write_bytes(encode_thumbnail(image))
    shown = read_image(tmp_path / "thumbnail.webp")
    assert max(shown.shape) == THUMBNAIL_SIDE_PX
    whole = cv2.resize(image, shown.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(shown.astype(int) - whole).mean() < 8
