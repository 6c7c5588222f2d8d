"""Test the listing of files, links, FIFOs and strange names, and the output names."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackseg.errors import UsageError
from crackseg.inspection.output_names import OutputNames
from crackseg.inspection.records import FileStamp
from crackseg.inspection.source import SettledFiles, Source, SourceFile


def list_codes(folder: Path, **options: object) -> dict[bytes, str]:
    """Return the files of a folder, with the codes of refusals."""
    source = Source(folder, folder / "out", **options)  # type: ignore[arg-type]
    return {file.path: "" if file.refusal is None else file.refusal.code for file in source.files()}


def test_files_of_all_folders_are_listed_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.png", "a/b/c.txt", "B.png", ".git/config", ".hidden.png", "out/results.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(list_codes(tmp_path).items()) == [
        (b".hidden.png", "hidden"), (b"B.png", ""), (b"a/b/c.txt", ""), (b"a/z.png", ""), (b"b.png", ""),
    ]  # fmt: skip


def test_links_are_followed_to_files_inside_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "outside.png").touch()
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "real.png").touch()
    for name, target in {
        "inside.png": "real.png",
        "out.png": "../outside.png",
        "etc.png": "/etc/hostname",
        "gone.png": "nothing",
        "loop.png": "loop.png",
        "folder": "sub",
        "up": "..",
    }.items():
        (folder / name).symlink_to(target)
    codes = list_codes(folder)
    assert codes.pop(b"real.png") == codes.pop(b"inside.png") == ""
    assert codes.pop(b"loop.png") in ("unreadable", "link")
    assert set(codes.values()) == {"link"}
    assert len(codes) == 5


def test_fifos_sockets_and_devices_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket.png"))
        assert list_codes(tmp_path) == {b"fifo.png": "special", b"socket.png": "special"}


def test_patterns_choose_by_name_or_path(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png", "x/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert set(list_codes(tmp_path, patterns=("*.jpg",))) == {b"a.jpg", b"x/c.jpg"}
    assert set(list_codes(tmp_path, patterns=("x/*", "b*"))) == {b"b.png", b"x/c.jpg"}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"], ids=["lines", "lines of Windows", "NUL"])
def test_a_list_names_the_files(tmp_path: Path, end: bytes) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.png", "-c.png"):
        (folder / name).touch()
    lines = [b"a.png", b"./a.png", b"-c.png", b"missing.png", b"../in/b.png", b"../../etc/passwd", b"/etc/passwd"]
    (tmp_path / "list").write_bytes(end.join(lines) + end)
    codes = list_codes(folder, listing=tmp_path / "list")
    outside = [codes.pop(path) for path in list(codes) if path.startswith(b"..")]
    assert codes == {b"-c.png": "", b"a.png": "", b"b.png": "", b"missing.png": "missing"}
    assert outside == ["outside"] * 2


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        list_codes(tmp_path / "missing")


def stamp(size: int, second: int, read_s: float) -> FileStamp:
    return FileStamp(size, second * 10**9, second * 10**9, int(read_s * 1e9))


def test_a_stamp_proves_nothing_for_a_file_that_had_just_changed() -> None:
    assert stamp(5, 100, 200).same_file(stamp(5, 100, 300))
    assert not stamp(5, 100, 200).same_file(stamp(6, 100, 300))
    assert not stamp(5, 100, 200).same_file(stamp(5, 101, 300))
    assert not stamp(5, 100, 100.5).same_file(stamp(5, 100, 300))


def test_a_growing_file_is_not_complete_until_it_stays_the_same() -> None:
    settled = SettledFiles(settle_s=1.0)

    def look(size: int, read_s: float) -> list[bytes]:
        return [file.path for file in settled.new([SourceFile(b"a", stamp(size, 10, read_s))])]

    assert look(1, 20) == look(2, 21.5) == look(2, 22) == []
    assert settled.waiting
    assert look(2, 22.6) == [b"a"]
    assert look(2, 30) == []
    assert look(3, 31) == []
    assert look(3, 33) == [b"a"]


names = st.binary(min_size=1, max_size=40).filter(lambda part: not {0, 47} & set(part) and part not in (b".", b".."))
paths = st.lists(names, min_size=1, max_size=3).map(b"/".join)


@given(st.lists(paths, unique=True, max_size=30))
def test_no_two_files_share_an_output_even_where_case_does_not_count(listed: list[bytes]) -> None:
    namer = OutputNames({})
    output_names = {path: namer.name(path) for path in listed}
    folded = [os.fsdecode(name).casefold() for name in output_names.values()]
    assert len(set(folded)) == len(folded)
    assert not any(other.startswith(name + "/") for name in folded for other in folded)
    assert all(name.endswith(b".png") and len(name.rpartition(b"/")[2]) <= 255 for name in output_names.values())
    again = OutputNames(output_names)
    assert {path: again.name(path) for path in listed} == output_names


def test_an_output_has_the_name_of_its_image_where_possible() -> None:
    namer = OutputNames({})
    assert namer.name(b"x/wall.jpg") == b"x/wall.png"
    assert namer.name(b"x/WALL.png") not in (b"x/wall.png", b"x/WALL.png")
    assert len(namer.name(b"n" * 251 + b".png")) < 255
