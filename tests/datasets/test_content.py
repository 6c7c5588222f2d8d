"""Remember the hashes and thumbnails of files between calls."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from crackseg.datasets.content import hash_files, read_thumbnails
from crackseg.imaging.codec import write_png
from crackseg.parallel import Progress


def write_old(path: Path, data: bytes, age_s: float = 100) -> Path:
    path.write_bytes(data)
    time_s = path.stat().st_mtime - age_s
    os.utime(path, (time_s, time_s))
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return a cache folder that does not exist yet."""
    return tmp_path / "cache"


def count_reads(paths: list[Path], cache: Path) -> int:
    calls: list[Progress] = []
    hashes = hash_files(paths, progress=calls.append, folder=cache)
    assert hashes == {path: hashlib.sha256(path.read_bytes()).digest() for path in paths}
    return len(calls)


def test_a_file_is_read_once(tmp_path: Path, cache: Path) -> None:
    paths = [write_old(tmp_path / name, name.encode()) for name in "abc"]
    assert count_reads(paths, cache) == 3
    assert count_reads(paths, cache) == 0
    paths.append(write_old(tmp_path / "d", b"d"))
    assert count_reads(paths, cache) == 1


def test_another_size_or_time_is_read_again(tmp_path: Path, cache: Path) -> None:
    path = write_old(tmp_path / "a", b"one")
    count_reads([path], cache)
    write_old(path, b"other")
    assert count_reads([path], cache) == 1
    write_old(path, b"OTHER", age_s=50)
    assert count_reads([path], cache) == 1


def test_a_file_that_may_still_change_is_not_remembered(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    assert count_reads([path], cache) == 1
    assert count_reads([path], cache) == 1


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": [1, 2, "no hex"]}'])
def test_a_damaged_cache_is_ignored(tmp_path: Path, cache: Path, text: str) -> None:
    cache.mkdir()
    (cache / "hashes.json").write_text(text)
    assert count_reads([write_old(tmp_path / "a", b"a")], cache) == 1


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    blocked = write_old(tmp_path / "blocked", b"a file")
    paths = [write_old(tmp_path / "a", b"a")]
    assert count_reads(paths, blocked) == 1
    assert count_reads(paths, blocked) == 1


def test_thumbnails_are_remembered_by_content(tmp_path: Path, cache: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", image)
    paths = [tmp_path / "a.png"]
    hashes = list(hash_files(paths, folder=cache).values())
    calls: list[Progress] = []
    first = read_thumbnails(hashes, paths, progress=calls.append, folder=cache)
    again = read_thumbnails(hashes, paths, progress=calls.append, folder=cache)
    np.testing.assert_array_equal(first, again)
    assert first.std() > 0
    assert len(calls) == 1
    (cache / f"{hashes[0].hex()}.raw").write_bytes(b"torn")
    np.testing.assert_array_equal(read_thumbnails(hashes, paths, folder=cache), first)
