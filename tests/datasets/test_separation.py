"""Keep copies of an image, and tiles of one photo, on one side."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crackseg.datasets.samples import Sample, hold_out
from crackseg.datasets.separation import Clusters, cluster_samples, hold_out_clusters, separate
from crackseg.errors import DatasetError, UsageError
from crackseg.imaging.codec import write_png


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache out of the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_image(path: Path, seed: int) -> Sample:
    path.parent.mkdir(exist_ok=True, parents=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    write_png(path, np.asarray(Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)))
    return Sample(path, path, path.parent.name)


def write_images(folder: Path, count: int, first: int = 0) -> list[Sample]:
    return [write_image(folder / f"wall_{number}.png", first + number) for number in range(count)]


def copy(sample: Sample, path: Path) -> Sample:
    path.parent.mkdir(exist_ok=True, parents=True)
    shutil.copy(sample.image, path)
    return Sample(path, path, path.parent.name)


def encode_again(sample: Sample, path: Path) -> Sample:
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.open(sample.image).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path, quality=70)
    return Sample(path, path, path.parent.name)


def sizes(clusters: Clusters) -> list[int]:
    numbers = list(clusters.of.values())
    return sorted(numbers.count(number) for number in set(numbers))


def is_apart(one: Sequence[Sample], other: Sequence[Sample], clusters: Clusters) -> bool:
    return not {clusters.of[sample] for sample in one} & {clusters.of[sample] for sample in other}


def test_different_images_are_on_their_own(tmp_path: Path) -> None:
    assert sizes(cluster_samples(write_images(tmp_path / "a", 8))) == [1] * 8


def test_copies_and_encoded_copies_belong_together(tmp_path: Path) -> None:
    samples = write_images(tmp_path / "a", 4)
    samples += [copy(samples[0], tmp_path / "a" / "copy.png"), encode_again(samples[1], tmp_path / "b" / "other.jpg")]
    samples += [encode_again(samples[0], tmp_path / "b" / "third.jpg")]
    assert sizes(cluster_samples(samples)) == [1, 1, 2, 3]


def test_a_pattern_groups_the_tiles_of_a_photo(tmp_path: Path) -> None:
    samples = [
        write_image(tmp_path / "a" / f"{name}_{tile}.png", 10 * tile + ord(name)) for name in "xyz" for tile in range(3)
    ]
    assert sizes(cluster_samples(samples)) == [1] * 9
    assert sizes(cluster_samples(samples, pattern=r"^(.*)_\d+$")) == [3, 3, 3]
    assert sizes(cluster_samples(samples, pattern=r"^[xy]")) == [1, 1, 1, 3, 3]


@pytest.mark.parametrize(
    ("pattern", "mentions"), [("(", "invalid regular expression"), (r"photo(\d+)", "matches no image, such as wall_0")]
)
def test_a_pattern_that_does_nothing_is_refused(tmp_path: Path, pattern: str, mentions: str) -> None:
    with pytest.raises(UsageError, match=mentions):
        cluster_samples(write_images(tmp_path / "a", 2), pattern=pattern)


def test_images_on_both_sides_are_refused_by_name(tmp_path: Path) -> None:
    samples = write_images(tmp_path / "a", 5)
    with pytest.raises(DatasetError, match=r"wall_0.png is .*wall_0.png, .* and 2 more"):
        separate(samples, samples, cluster_samples(samples))
    renamed = [copy(samples[3], tmp_path / "b" / "new.png"), write_image(tmp_path / "b" / "other.png", 99)]
    with pytest.raises(DatasetError, match=r"wall_3.png is .*new.png"):
        separate(samples, renamed, cluster_samples([*samples, *renamed]))


def test_near_copies_and_tiles_of_validation_images_leave_the_training(tmp_path: Path) -> None:
    samples = write_images(tmp_path / "a", 4)
    validation = [encode_again(samples[2], tmp_path / "b" / "new.jpg"), write_image(tmp_path / "b" / "wall_0.png", 70)]
    kept, removed = separate(samples, validation, cluster_samples([*samples, *validation]))
    assert (kept, removed) == ((samples[0], samples[1], samples[3]), (samples[2],))
    clusters = cluster_samples([*samples, *validation], pattern=r"wall_\d+")
    assert separate(samples, validation, clusters) == ((samples[1], samples[3]), (samples[0], samples[2]))
    with pytest.raises(DatasetError, match="every training image has a near copy"):
        separate(samples[2:3], validation, clusters)


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5])
def test_single_images_are_held_out_as_without_clusters(tmp_path: Path, fraction: float) -> None:
    samples = [*write_images(tmp_path / "a", 9), *write_images(tmp_path / "b", 5, first=50)]
    assert hold_out_clusters(samples, fraction, cluster_samples(samples)) == hold_out(samples, fraction)


@pytest.mark.parametrize("tiles", [2, 3, 7])
def test_clusters_are_held_out_whole(tmp_path: Path, tiles: int) -> None:
    samples = [
        write_image(tmp_path / "a" / f"{name}_{tile}.png", 10 * tile + ord(name))
        for name in "stuvwxyz"
        for tile in range(tiles)
    ]
    clusters = cluster_samples(samples, pattern="^(.)_")
    train, held = hold_out_clusters(samples, 0.25, clusters)
    assert is_apart(train, held, clusters)
    assert len(held) == 2 * tiles
    assert sorted([*train, *held], key=samples.index) == samples


def test_one_cluster_cannot_be_divided(tmp_path: Path) -> None:
    samples = write_images(tmp_path / "a", 3)
    with pytest.raises(DatasetError, match="none can be held out"):
        hold_out_clusters(samples, 0.5, cluster_samples(samples, pattern="(wall)"))
