"""Pairs of images and masks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crackseg.datasets.pairs import Pair, find_pairs
from crackseg.datasets.samples import find_samples
from crackseg.errors import UsageError
from crackseg.imaging.codec import write_png
from tests.datasets.scenes import find, write_walls
from tests.runs import write_lines

BLANK = np.zeros((8, 8), np.uint8)


def kinds(folder: Path) -> list[tuple[str, tuple[str, ...]]]:
    return [(item.kind, tuple(path.as_posix() for path in item.files)) for item in find_pairs(folder)[1]]


def test_a_folder_in_order_has_pairs_and_no_findings(tmp_path: Path) -> None:
    pairs, findings = find_pairs(write_lines(tmp_path, 2))
    assert pairs == tuple(Pair("", Path(f"images/wall{n:02d}.png"), Path(f"masks/wall{n:02d}.png")) for n in range(2))
    assert findings == []


def test_splits_are_kept_apart(tmp_path: Path) -> None:
    write_lines(tmp_path / "train", 2)
    write_lines(tmp_path / "test", 1)
    pairs, findings = find_pairs(tmp_path)
    assert [pair.split for pair in pairs] == ["train", "train", "test"]
    assert pairs[2].mask == Path("test/masks/wall00.png")
    assert findings == []


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_every_name_of_the_validation_split_is_known(tmp_path: Path, name: str) -> None:
    write_walls(tmp_path / "train", 2)
    write_walls(tmp_path / name, 1, first=7)
    (tmp_path / name / "masks" / "07.png").unlink()
    assert [(finding.kind, finding.files) for finding in find_pairs(tmp_path)[1]] == [
        ("no-mask", (Path(name, "images", "07.png"),))
    ]
    write_walls(tmp_path / name, 1, first=7)
    assert [sample.image.parent.parent.name for sample in find_samples(tmp_path, "val")] == [name]


def test_other_folders_of_images_and_masks_are_named(tmp_path: Path) -> None:
    write_walls(tmp_path / "train", 2)
    write_walls(tmp_path / "holdout", 1)
    assert [(finding.kind, finding.files) for finding in find_pairs(tmp_path)[1]] == [
        ("other-folder", (Path("holdout"),))
    ]


def test_files_without_partner_are_named(tmp_path: Path) -> None:
    write_lines(tmp_path, 3)
    (tmp_path / "masks" / "wall00.png").unlink()
    (tmp_path / "images" / "wall01.png").unlink()
    assert kinds(tmp_path) == [("no-mask", ("images/wall00.png",)), ("no-image", ("masks/wall01.png",))]


@pytest.mark.parametrize("name", ["wall00_mask.png", "wall00_GT.png", "Wall00.png", "wall00-label.png"])
def test_a_mask_with_an_ending_is_paired_and_reported(tmp_path: Path, name: str) -> None:
    write_lines(tmp_path, 2)
    (tmp_path / "masks" / "wall00.png").rename(tmp_path / "masks" / name)
    pairs, _ = find_pairs(tmp_path)
    assert Path("masks") / name in {pair.mask for pair in pairs}
    assert kinds(tmp_path) == [("mask-name", (f"masks/{name}",))]


def test_of_two_files_with_one_stem_the_second_is_an_error(tmp_path: Path) -> None:
    write_lines(tmp_path, 1)
    shutil.copy(tmp_path / "images" / "wall00.png", tmp_path / "images" / "wall00.tif")
    assert kinds(tmp_path) == [("same-stem", ("images/wall00.png", "images/wall00.tif"))]


def test_files_that_are_no_images_are_noted(tmp_path: Path) -> None:
    write_lines(tmp_path, 1)
    (tmp_path / "images" / "Thumbs.db").write_bytes(b"x")
    assert kinds(tmp_path) == [("other-file", ("images/Thumbs.db",))]


def test_a_folder_of_masks_only_has_no_pair(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    write_png(tmp_path / "masks" / "a.png", BLANK)
    assert find_pairs(tmp_path)[0] == ()
    assert kinds(tmp_path) == [("no-image", ("masks/a.png",))]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        pytest.param((), "no images here; name a folder", id="no such folders"),
        pytest.param(("images", "masks"), "no images here; put images", id="empty folders"),
    ],
)
def test_a_folder_without_samples_is_refused(tmp_path: Path, folders: tuple[str, ...], message: str) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match=message):
        find_pairs(tmp_path)


def test_a_name_that_is_no_utf8_is_paired_and_shown(tmp_path: Path) -> None:
    write_walls(tmp_path, 1)
    for part in ("images", "masks"):
        (tmp_path / part / "00.png").rename(tmp_path / part / "a\udcff.png")
    assert find(tmp_path) == {}
    (tmp_path / "masks" / "a\udcff.png").write_bytes(b"nothing")
    (finding,) = find(tmp_path)["unreadable-mask"]
    assert finding.to_dict()["files"] == ["masks/a\\xff.png"]
