"""Tests of the journal, which keeps the records of a run on disk."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from crackseg.errors import OutputError
from crackseg.generation.journal import Journal


def line_of(index: int, *, length: int = 0) -> bytes:
    return (json.dumps({"index": index, "filler": "x" * length}) + "\n").encode()


def opened(folder: Path, count: int) -> Journal:
    return Journal(folder, count, lambda _: True)


def test_records_are_read_by_index_in_any_order_of_writing(tmp_path: Path) -> None:
    with opened(tmp_path, 4) as journal:
        for index in (2, 0, 3, 1):
            journal.add(index, line_of(index, length=index))
        assert [record["index"] for record in journal.records()] == [0, 1, 2, 3]
        journal.finish()
    assert (tmp_path / "manifest.jsonl").read_bytes() == b"".join(line_of(i, length=i) for i in range(4))
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]


@pytest.mark.parametrize("cut", range(1, len(line_of(1)) + 1))
def test_a_line_truncated_at_any_byte_is_missing(tmp_path: Path, cut: int) -> None:
    (tmp_path / "manifest.partial.jsonl").write_bytes(line_of(0) + line_of(1)[:-cut])
    with opened(tmp_path, 3) as journal:
        assert list(journal.indices()) == [1, 2]
        journal.add(1, line_of(1))
        journal.add(2, line_of(2))
        journal.finish()
    assert (tmp_path / "manifest.jsonl").read_bytes() == b"".join(line_of(index) for index in range(3))


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff\xfe\n",
        b"[1]\n",
        b"null\n",
        b'{"seed": 1}\n',
        b'{"index": "1"}\n',
        b'{"index": -1}\n',
        b'{"index": 9}\n',
        b"\n",
    ],
)
def test_lines_that_are_not_records_of_this_run_are_dropped(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(junk + line_of(0))
    with opened(tmp_path, 2) as journal:
        assert (journal.done, list(journal.indices())) == (1, [1])


def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    """Handle four megabytes of records with a tenth of the memory."""
    count = 2000
    tracemalloc.start()
    try:
        with opened(tmp_path, count) as journal:
            for index in range(count):
                journal.add(index, line_of(index, length=2000))
            assert sum(1 for _ in journal.records()) == count
            journal.finish()
        with opened(tmp_path, count) as journal:
            assert journal.missing == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "manifest.jsonl").stat().st_size > 4_000_000
    assert peak < 400_000


def test_an_unwritable_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot (write|be written)"):
        opened(tmp_path / "gone", 1)
    (tmp_path / "manifest.partial.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"cannot (write|be written)"):
        opened(tmp_path, 1)
