"""Test scales from scale files and from markers in an image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crackseg.errors import ConfigError, ImageError, UsageError
from crackseg.measurement.scale import Marker, read_scale


def marker_image(side_px: float, *, angle_deg: float = 0.0, number: int = 7, seed: int = 0) -> NDArray[np.uint8]:
    """Draw a wall with a marker of known side on a card."""
    cells = 8
    drawn = cv2.aruco.generateImageMarker(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_6X6_50), number, 20 * cells)
    card = cv2.copyMakeBorder(drawn, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=(255,))
    factor = side_px / (20 * cells)
    # Pixel centres: the centre of the card maps to the centre of the image.
    way = cv2.getRotationMatrix2D(((card.shape[1] - 1) / 2, (card.shape[0] - 1) / 2), angle_deg, factor)
    way = way + np.array([[0, 0, 250.3 - (card.shape[1] - 1) / 2], [0, 0, 200.6 - (card.shape[0] - 1) / 2]])
    rng = np.random.default_rng(seed)
    wall = rng.integers(140, 200, (400, 500)).astype(np.float32)
    light = cv2.warpAffine(card.astype(np.float32), way, (500, 400), flags=cv2.INTER_AREA)
    inside = cv2.warpAffine(np.ones(card.shape, np.float32), way, (500, 400))
    grey = cv2.GaussianBlur(wall * (1 - inside) + light * inside, (0, 0), 0.8) + rng.normal(0, 2, wall.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


@settings(max_examples=15)
@given(side_px=st.floats(40, 180), angle_deg=st.floats(0, 360), number=st.integers(0, 49))
def test_a_marker_gives_the_scale_within_the_stated_uncertainty(side_px: float, angle_deg: float, number: int) -> None:
    scale = Marker(50.0).scale_of(marker_image(side_px, angle_deg=angle_deg, number=number))
    assert scale.mm_per_px == pytest.approx(50 / side_px, rel=max(scale.uncertainty, 1e-3))
    assert scale.uncertainty < 0.08
    assert f"marker {number} of 50 mm" in scale.source


def test_an_image_without_a_marker_is_an_error_with_a_hint() -> None:
    empty = np.random.default_rng(1).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    with pytest.raises(ImageError, match=r"wall\.png.*no marker found.*--scale"):
        Marker(50.0).scale_of(empty, name="wall.png")


def test_markers_give_no_scale_without_an_image() -> None:
    assert Marker(50.0).fixed is None
    assert Marker(50.0).describe() == "scale from markers of 50 mm"
    assert Marker(50.0).to_dict() == {"side_mm": 50.0}


@pytest.mark.parametrize("side_mm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_marker_must_have_a_positive_side(side_mm: float) -> None:
    with pytest.raises(UsageError, match="more than 0 mm"):
        Marker(side_mm)


@pytest.mark.parametrize(
    ("text", "mm_per_px"),
    [
        pytest.param("mm_per_px: 0.25", 0.25, id="scale"),
        pytest.param("length_mm: 100\nlength_px: 400", 0.25, id="known length"),
        pytest.param("distance_mm: 2000\nfocal_length_mm: 50\npixel_um: 6.25", 0.25, id="camera"),
    ],
)
def test_a_scale_file_gives_the_scale_in_one_of_three_ways(tmp_path: Path, text: str, mm_per_px: float) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(f"{text}\nuncertainty_percent: 4\n")
    scale = read_scale(path)
    assert scale.mm_per_px == pytest.approx(mm_per_px)
    assert scale.uncertainty == pytest.approx(0.04)
    assert scale.source.startswith("site.yaml: ")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{}", id="nothing"),
        pytest.param("mm_per_px: 1\nlength_mm: 2\nlength_px: 3", id="two ways"),
        pytest.param("length_mm: 2", id="half of a pair"),
        pytest.param("mm_per_px: 0", id="zero"),
        pytest.param("mm_per_px: .inf", id="infinite"),
        pytest.param("mm_per_px: many", id="no number"),
        pytest.param("mm_per_pixel: 1", id="unknown key"),
    ],
)
def test_a_scale_file_with_too_little_or_too_much_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"site\.yaml"):
        read_scale(path)
