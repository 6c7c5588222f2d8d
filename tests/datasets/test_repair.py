"""Corrected copies: faults are corrected or left out, the input stays unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crackseg.datasets.check import check_dataset
from crackseg.datasets.findings import Severity
from crackseg.datasets.repair import Change, write_corrected
from crackseg.errors import UsageError
from crackseg.imaging.codec import decode_image, mask_pixels, read_image, read_mask
from tests.datasets.scenes import as_jpeg, save, save_turned, wall, write_walls
from tests.runs import write_sample


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fix(data: Path, output: Path) -> dict[str, tuple[str, str]]:
    """Write the copy; check the unchanged input and the copy."""
    before = bytes_of(data)
    changes = write_corrected(check_dataset(data), output)
    assert bytes_of(data) == before
    assert json.loads((output / "changes.json").read_text()) == [change.to_dict() for change in changes]
    assert check_dataset(output).count(Severity.ERROR) == 0
    return {change.file.as_posix(): (change.action, change.reason) for change in changes}


def test_files_without_faults_are_copied_byte_for_byte(tmp_path: Path) -> None:
    data = write_walls(tmp_path / "data", 2)
    assert fix(data, tmp_path / "out") == {}
    copy = bytes_of(tmp_path / "out")
    assert copy.pop("changes.json") == b"[]\n"
    assert copy == bytes_of(data)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        pytest.param(lambda crack: crack.astype(np.uint8), "held values other than 0 and 255", id="0 and 1"),
        pytest.param(lambda crack: crack.astype(np.uint16) * 40000, "was not an 8-bit PNG of one", id="16 bits"),
        pytest.param(
            lambda crack: np.repeat(mask_pixels(crack)[..., None], 3, axis=2),
            "was not an 8-bit PNG",
            id="three channels",
        ),
        pytest.param(
            lambda crack: (
                np.where(crack, 220, 30).astype(np.uint8)
                + np.random.default_rng(0).integers(0, 20, crack.shape, dtype=np.uint8)
            ),
            "held values other than 0 and 255",
            id="soft",
        ),
    ],
)
def test_a_mask_of_other_values_becomes_one_of_0_and_255(tmp_path: Path, values: object, reason: str) -> None:
    data = write_walls(tmp_path / "data", 2)
    crack = wall(0)[1]
    save(data / "masks" / "00.png", values(crack))  # type: ignore[operator]
    changes = fix(data, tmp_path / "out")
    assert list(changes) == ["masks/00.png"]
    assert reason in changes["masks/00.png"][1]
    stored = np.asarray(Image.open(tmp_path / "out" / "masks" / "00.png"))
    np.testing.assert_array_equal(stored, mask_pixels(crack))


def test_a_mask_of_another_name_and_format_gets_those_of_its_image(tmp_path: Path) -> None:
    data = write_walls(tmp_path / "data", 2)
    (data / "masks" / "00.png").unlink()
    save(data / "masks" / "00_mask.bmp", mask_pixels(wall(0)[1]))
    assert list(fix(data, tmp_path / "out")) == ["masks/00_mask.bmp"]
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "masks" / "00.png"), wall(0)[1])


@pytest.mark.parametrize("drawn_on", ["the image as shown", "the image as stored"])
def test_an_image_turned_by_exif_is_stored_upright_with_its_mask(tmp_path: Path, drawn_on: str) -> None:
    data = write_walls(tmp_path / "data", 2)
    image, crack = wall(0)
    # Orientation 6: shown turned clockwise by a quarter.
    save_turned(data / "images" / "00.png", image, 6)
    shown = np.rot90(crack, -1)
    save(data / "masks" / "00.png", mask_pixels(shown if "shown" in drawn_on else crack))
    changes = fix(data, tmp_path / "out")
    assert changes["images/00.png"] == ("rewritten", "turned upright, EXIF orientation 6 undone")
    assert ("masks/00.png" in changes) == ("stored" in drawn_on)
    stored = Image.open(tmp_path / "out" / "images" / "00.png")
    assert stored.getexif().get(0x0112) is None
    np.testing.assert_array_equal(np.asarray(stored), np.rot90(image, -1))
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "masks" / "00.png"), shown)


def test_ambiguous_files_are_left_out(tmp_path: Path) -> None:
    data = write_walls(tmp_path / "data", 8)
    save_turned(data / "images" / "00.png", wall(0)[0], 3)
    save(data / "masks" / "01.png", mask_pixels(wall(1)[1])[:-2])
    save(data / "masks" / "02.png", np.where(wall(2)[1], np.uint8(2), np.uint8(1)))
    (data / "masks" / "03.png").unlink()
    (data / "images" / "04.png").write_bytes(b"no image")
    (data / "images" / "notes.txt").write_text("x")
    changes = fix(data, tmp_path / "out")
    assert {name for name, (action, _) in changes.items() if action != "left out"} == set()
    pairs = {f"{part}/{stem}.png" for part in ("images", "masks") for stem in ("00", "01", "02", "04")}
    assert set(changes) == pairs | {"images/03.png", "images/notes.txt"}
    assert "the sizes do not show the orientation of the mask" in changes["images/00.png"][1]
    assert "which value is crack" in changes["masks/02.png"][1]
    kept = {f"{part}/{stem}.png" for part in ("images", "masks") for stem in ("05", "06", "07")}
    assert set(bytes_of(tmp_path / "out")) == {"changes.json", *kept}


def test_a_mask_of_classes_is_kept_where_its_crack_stands_out(tmp_path: Path) -> None:
    data = write_walls(tmp_path / "data", 2)
    save(data / "masks" / "00.png", np.where(wall(0)[1], np.uint8(200), np.uint8(90)))
    assert list(fix(data, tmp_path / "out")) == ["masks/00.png"]
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "masks" / "00.png"), wall(0)[1])


def test_of_two_images_with_one_mask_the_fitting_one_keeps_it(tmp_path: Path) -> None:
    data = write_walls(tmp_path / "data", 4)
    save(data / "masks" / "02.png", mask_pixels(wall(0)[1]))
    changes = fix(data, tmp_path / "out")
    assert set(changes) == {"images/02.png", "masks/02.png"}
    assert changes["masks/02.png"][1].endswith("two different images; the mask fits masks/00.png")
    assert (tmp_path / "out" / "masks" / "00.png").is_file()


def test_a_copy_across_splits_leaves_training(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_walls(data / "train", 3)
    write_walls(data / "test", 2, first=10)
    write_sample(data / "test", "97", decode_image(as_jpeg(wall(2)[0])), wall(2)[1])
    write_sample(data / "train", "99", *wall(1))
    changes = fix(data, tmp_path / "out")
    assert set(changes) == {f"train/{part}/{stem}.png" for part in ("images", "masks") for stem in ("02", "99")}
    assert changes["train/images/99.png"] == (
        "left out",
        "the same image, the two masks have an IoU of 1.00; train/images/01.png is kept",
    )
    assert (tmp_path / "out" / "test" / "images" / "97.png").is_file()


@pytest.mark.parametrize("place", [".", "images", "new/fixed", ".."])
def test_a_copy_is_not_written_into_the_data_folder(tmp_path: Path, place: str) -> None:
    data = write_walls(tmp_path / "data", 1)
    before = bytes_of(tmp_path)
    with pytest.raises(UsageError, match="the copy would overlap the data folder; choose a folder outside it"):
        write_corrected(check_dataset(data), data / place)
    assert bytes_of(tmp_path) == before


def test_a_copy_is_not_written_over_something_else(tmp_path: Path) -> None:
    data = write_walls(tmp_path / "data", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="expected a missing or empty folder; choose a new folder"):
        write_corrected(check_dataset(data), tmp_path / "out")


def test_a_change_is_json_of_file_action_and_reason() -> None:
    assert Change(Path("a\nb.png"), "left out", "why").to_dict() == {
        "file": "a\\nb.png",
        "action": "left out",
        "reason": "why",
    }


def test_the_pixels_of_a_turned_image_are_those_read_before(tmp_path: Path) -> None:
    data = write_walls(tmp_path / "data", 1)
    save_turned(data / "images" / "00.png", wall(0)[0], 8)
    save(data / "masks" / "00.png", np.rot90(mask_pixels(wall(0)[1])))
    fix(data, tmp_path / "out")
    np.testing.assert_array_equal(
        read_image(data / "images" / "00.png"), read_image(tmp_path / "out" / "images" / "00.png")
    )
