"""Faults of one image or mask, each planted in a folder without other faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from crackseg.datasets.check import check_dataset
from crackseg.datasets.findings import SEVERITIES, TITLES, Severity
from crackseg.imaging.codec import mask_pixels, write_png
from tests.datasets.scenes import SHAPE, find, save, save_turned, wall, write_walls

IMAGE, CRACK = wall(0)
LEVELS = mask_pixels(CRACK)


def test_a_folder_without_faults_has_no_findings(tmp_path: Path) -> None:
    report = check_dataset(write_walls(tmp_path))
    assert report.findings == ()
    assert report.splits == {"all": 4}
    assert report.shapes == {SHAPE: 4}
    assert len(report.examined) == 4


def soft(path: Path) -> None:
    save(path, cv2.GaussianBlur(LEVELS, (0, 0), 1.0))


def palette(path: Path) -> None:
    image = Image.fromarray(CRACK.astype(np.uint8), mode="P")
    image.putpalette([0, 0, 0, 128, 0, 0])
    image.save(path)


MASK_FAULTS: list[tuple[Callable[[Path], object], str, str]] = [
    (soft, "soft-mask", "resized with interpolation"),
    (lambda path: path.write_bytes(b""), "unreadable-mask", "the file is empty"),
    (lambda path: save(path, CRACK.astype(np.uint8)), "zero-one", "holds 0 and 1"),
    (lambda path: save(path, CRACK.astype(np.uint16) * 65535), "deep-mask", "uint16 samples"),
    (lambda path: save(path, np.where(CRACK, np.uint8(2), np.uint8(1))), "classes", "holds the values 1, 2"),
    (lambda path: save(path, np.where(CRACK, np.uint8(255), np.uint8(90))), "classes", "holds the values 90, 255"),
    (palette, "palette-mask", "indices into a palette"),
    (lambda path: save(path, LEVELS[..., None] * np.array([1, 0, 0], np.uint8)), "colour-mask", "channels differ"),
    (lambda path: save(path, 255 - LEVELS), "mostly-crack", "invert the mask if its cracks are black"),
    (lambda path: save(path, np.zeros_like(LEVELS)), "empty-mask", "contains no crack"),
    (lambda path: save(path, LEVELS[:-1]), "size-differs", "the mask is 128x95 pixels, its image 128x96"),
    (lambda path: save_turned(path, LEVELS, 3), "turned", "EXIF orientation 1 for the image, 3 for the mask"),
]


@pytest.mark.parametrize(
    ("plant", "kind", "text"), MASK_FAULTS, ids=[f"{kind}: {text}" for _, kind, text in MASK_FAULTS]
)
def test_a_fault_of_a_mask_is_found(tmp_path: Path, plant: Callable[[Path], object], kind: str, text: str) -> None:
    write_walls(tmp_path)
    plant(tmp_path / "masks" / "00.png")
    groups = find(tmp_path)
    (finding,) = groups.pop(kind)
    assert text in finding.text
    assert Path("masks/00.png") in finding.files
    # A fault may have a second finding as its consequence.
    follows = {"turned": "label-off", "mostly-crack": "label-off", "classes": "empty-mask"}
    assert set(groups) <= {follows.get(kind)}


IMAGE_FAULTS: list[tuple[Callable[[Path], object], str, str]] = [
    (lambda path: path.write_bytes(path.read_bytes()[:-400]), "unreadable-image", "cannot be decoded"),
    (lambda path: path.write_bytes(b"<svg/>"), "unreadable-image", "not an image in a supported format"),
    (lambda path: save(path, IMAGE[..., 0].astype(np.uint16) << 4), "deep-image", "uint16 samples"),
    (lambda path: Image.fromarray(IMAGE).quantize(64).save(path), "palette-image", "at most 256 colours"),
    (lambda path: save_turned(path, np.rot90(IMAGE), 6), "turned", "EXIF orientation 6 for the image, 1 for the mask"),
]


@pytest.mark.parametrize(
    ("plant", "kind", "text"), IMAGE_FAULTS, ids=[f"{kind}: {text}" for _, kind, text in IMAGE_FAULTS]
)
def test_a_fault_of_an_image_is_found(tmp_path: Path, plant: Callable[[Path], object], kind: str, text: str) -> None:
    write_walls(tmp_path)
    plant(tmp_path / "images" / "00.png")
    groups = find(tmp_path)
    (finding,) = groups.pop(kind)
    assert text in finding.text
    assert Path("images/00.png") in finding.files
    assert groups == {}


@pytest.mark.parametrize(("quality", "kind"), [(60, "soft-mask"), (100, "jpeg-mask")])
def test_a_jpeg_mask_is_found_whether_it_lost_its_values_or_not(tmp_path: Path, quality: int, kind: str) -> None:
    write_walls(tmp_path)
    (tmp_path / "masks" / "00.png").unlink()
    # Blocks of 8x8 of one value keep it; a line does not.
    block = np.zeros(SHAPE, np.uint8)
    block[32:64, 32:64] = 255
    save(tmp_path / "masks" / "00.jpg", LEVELS if kind == "soft-mask" else block, quality=quality)
    (finding,) = find(tmp_path)[kind]
    assert "JPEG" in finding.text
    assert finding.files == (Path("masks/00.jpg"),)


def test_a_mask_turned_on_its_side_has_the_wrong_size_and_the_wrong_orientation(tmp_path: Path) -> None:
    write_walls(tmp_path)
    save_turned(tmp_path / "images" / "00.png", IMAGE, 6)
    assert {"turned", "size-differs"} <= set(find(tmp_path))


def test_a_mask_of_another_image_is_found_by_its_contrast(tmp_path: Path) -> None:
    write_walls(tmp_path)
    save(tmp_path / "masks" / "00.png", LEVELS[:, ::-1])
    (finding,) = find(tmp_path)["label-off"]
    assert finding.files == (Path("masks/00.png"), Path("images/00.png"))


def test_light_cracks_stand_out_too_where_most_are_light(tmp_path: Path) -> None:
    write_walls(tmp_path)
    for seed in range(4):
        save(tmp_path / "images" / f"{seed:02d}.png", 255 - wall(seed)[0])
    assert find(tmp_path) == {}
    assert min(check_dataset(tmp_path).contrasts.values()) > 1


def test_one_mask_for_two_images_is_found(tmp_path: Path) -> None:
    write_walls(tmp_path)
    save(tmp_path / "masks" / "02.png", LEVELS)
    (finding,) = find(tmp_path)["same-mask"]
    assert finding.files == (Path("masks/00.png"), Path("masks/02.png"))
    assert f"the same {np.count_nonzero(CRACK)} crack pixels" in finding.text


def test_nothing_is_changed(tmp_path: Path) -> None:
    write_walls(tmp_path)
    soft(tmp_path / "masks" / "00.png")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*.png")}
    check_dataset(tmp_path)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*.png")} == before


def test_every_kind_has_a_title_and_the_worst_come_first() -> None:
    assert list(TITLES) == list(SEVERITIES)
    assert list(SEVERITIES.values()) == sorted(SEVERITIES.values())
    assert set(SEVERITIES.values()) == set(Severity)


def test_255_next_to_class_numbers_is_void_and_0_and_255_next_to_it_is_an_error(tmp_path: Path) -> None:
    write_walls(tmp_path, 3)
    numbers = CRACK.astype(np.uint8)
    numbers[:4] = 255
    for name, values in (("00", numbers), ("01", (numbers == 1).astype(np.uint8))):
        write_png(tmp_path / "masks" / f"{name}.png", values)
    findings = {(finding.files[0].stem, finding.kind) for finding in check_dataset(tmp_path).findings}
    assert findings >= {("00", "void-mask"), ("02", "void-unclear")}
