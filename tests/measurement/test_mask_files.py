"""Test the measurement of mask files with and without their images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from crackseg.errors import ImageError, UsageError
from crackseg.geometry import Scale
from crackseg.imaging.codec import mask_pixels, write_png
from crackseg.measurement.mask_files import collect_masks, measure_file
from crackseg.measurement.scale import Marker


def write_mask(path: Path, shape: tuple[int, int] = (60, 100)) -> Path:
    mask = np.zeros(shape, np.bool_)
    mask[20:25, 10:90] = True
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, mask_pixels(mask))
    return path


def test_a_mask_file_is_measured_without_its_image(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "wall_mask.png")
    measured = measure_file(path, None, Scale(0.5, "a ruler"))
    assert (measured.name, measured.shape, measured.cracks[0].area_px) == ("wall_mask.png", (60, 100), 400)
    assert measured.cracks[0].length_mm == pytest.approx(40, abs=0.1)
    assert measure_file(path, None, Marker(50.0)).scale is None


def test_the_scale_comes_from_the_markers_in_the_image(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "masks" / "wall_mask.png", (300, 300))
    image = np.full((300, 300, 3), 200, np.uint8)
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    image[150:250, 150:250] = cv2.aruco.generateImageMarker(dictionary, 3, 100)[..., None]
    (tmp_path / "images").mkdir()
    write_png(tmp_path / "images" / "wall.png", image)
    measured = measure_file(path, tmp_path / "images", Marker(50.0))
    assert measured.scale is not None
    assert measured.scale.mm_per_px == pytest.approx(0.5, rel=0.02)


def test_an_image_that_is_missing_or_of_another_size_is_an_error(tmp_path: Path) -> None:
    path = write_mask(tmp_path / "masks" / "wall.png")
    (tmp_path / "images").mkdir()
    with pytest.raises(ImageError, match="no image of this mask"):
        measure_file(path, tmp_path / "images", None)
    write_png(tmp_path / "images" / "wall.png", np.zeros((50, 100, 3), np.uint8))
    with pytest.raises(ImageError, match="50x100 px, got 60x100 px"):
        measure_file(path, tmp_path / "images", None)


def test_of_a_predicted_folder_only_the_masks_are_collected(tmp_path: Path) -> None:
    masks = [write_mask(tmp_path / "run" / name) for name in ("a_mask.png", "b_mask.png")]
    write_mask(tmp_path / "run" / "a_overlay.png")
    single = write_mask(tmp_path / "c.png")
    assert collect_masks([tmp_path / "run", single]) == [*masks, single]


def test_places_without_masks_and_masks_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no mask"):
        collect_masks([tmp_path / "empty"])
    with pytest.raises(UsageError, match="no such file"):
        collect_masks([tmp_path / "missing"])
    one, other = write_mask(tmp_path / "one" / "a.png"), write_mask(tmp_path / "other" / "a.png")
    with pytest.raises(UsageError, match="would overwrite"):
        collect_masks([one, other])
