"""Files appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crackseg.errors import OutputError, UsageError
from crackseg.files import list_images, make_folder, replacing, write_bytes
from tests.conftest import RunPython

FILE_NAME = st.binary(min_size=1, max_size=80).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)


def names(folder: Path) -> list[bytes]:
    return sorted(os.fsencode(path.name) for path in folder.iterdir())


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_a_file_is_written_with_exactly_its_bytes(tmp_path: Path, size: int, durable: bool) -> None:  # noqa: FBT001
    data = random.Random(size).randbytes(size)
    write_bytes(tmp_path / "a.bin", b"something older, and longer than nothing")
    write_bytes(tmp_path / "a.bin", data, durable=durable)
    assert (tmp_path / "a.bin").read_bytes() == data
    assert names(tmp_path) == [b"a.bin"]


@given(name=FILE_NAME, data=st.binary(max_size=50))
def test_a_file_of_any_name_can_be_written(tmp_path_factory: pytest.TempPathFactory, name: bytes, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    write_bytes(folder / os.fsdecode(name), data)
    assert names(folder) == [name]
    with open(os.path.join(os.fsencode(folder), name), "rb") as file:  # noqa: PTH118, PTH123
        assert file.read() == data


def test_a_name_as_long_as_the_disk_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".png")
    write_bytes(path, b"data")
    assert path.read_bytes() == b"data"


def test_a_new_file_has_the_permissions_an_ordinary_open_gives(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_bytes(b"")
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, OSError], ids=lambda kind: kind.__name__)
def test_a_writer_that_fails_half_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"ne")
            raise kind("stopped")

    with pytest.raises(OutputError if kind is OSError else kind, match="stopped"):
        write_half()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == [b"card.json"]


def test_nothing_is_visible_under_the_final_name_before_the_writer_is_done(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with replacing(path) as temporary:
        temporary.write_bytes(b"half")
        assert not path.exists()
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".onnx")
    assert path.read_bytes() == b"half"


WRITER = """
import sys
from pathlib import Path
from crackseg.files import write_bytes
path = Path(sys.argv[1])
while True:
    for letter in (b"a", b"b"):
        write_bytes(path, letter * 400_000)
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path, chance = tmp_path / "mask.png", random.Random(1)
    contents = set()
    for _ in range(12):
        with subprocess.Popen([sys.executable, "-c", WRITER, path]) as writer:
            until = time.monotonic() + 30
            changed = path.stat().st_mtime_ns if path.exists() else None
            while (path.stat().st_mtime_ns if path.exists() else None) == changed and time.monotonic() < until:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.02))
            writer.kill()
        data = path.read_bytes()
        assert data in (b"a" * 400_000, b"b" * 400_000)
        contents.add(data[:1])
    assert contents == {b"a", b"b"}


def test_what_a_kill_leaves_behind_is_not_taken_for_an_image(tmp_path: Path) -> None:
    path = tmp_path / "000000.png"
    with contextlib.suppress(ValueError), replacing(path) as temporary:
        (tmp_path / "kept").write_bytes(b"")
        leftover = tmp_path / temporary.name
        leftover.write_bytes(b"half")
        raise ValueError
    leftover.write_bytes(b"half")
    path.write_bytes(b"whole")
    assert list_images(tmp_path) == (path,)


LIMITED = """
import resource, sys
from pathlib import Path
from crackseg.errors import OutputError
from crackseg.files import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_bytes(Path(sys.argv[1]), b"n" * 200_000)
except OutputError as error:
    print(error)
    sys.exit(3)
"""


def test_a_file_larger_than_allowed_leaves_the_old_one_and_one_line(tmp_path: Path, run_python: RunPython) -> None:
    pytest.importorskip("resource")
    path = tmp_path / "mask.png"
    path.write_bytes(b"old")
    ended = run_python(LIMITED, path)
    assert ended.returncode == 3, ended.stderr
    assert ended.stdout.startswith(f"{path}: cannot be written (")
    assert len(ended.stdout.splitlines()) == 1
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == [b"mask.png"]


def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("a small disk can be mounted by the administrator only")
    try:
        path = disk / "mask.png"
        write_bytes(path, b"old")
        with pytest.raises(OutputError, match=r"No space left on device.*free some space"):
            write_bytes(path, b"n" * 200_000)
        assert path.read_bytes() == b"old"
        assert names(disk) == [b"mask.png"]
    finally:
        subprocess.run(["umount", disk], check=True)


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from crackseg.errors import OutputError
from crackseg.files import make_folder, write_bytes
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for act in (lambda: write_bytes(Path("a.png"), b"data"), lambda: make_folder(Path("deep/er"))):
    try:
        act()
    except OutputError as error:
        print(error)
"""


def test_a_folder_that_may_not_be_written_is_refused_with_advice(tmp_path: Path, run_python: RunPython) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    ended = run_python(UNPRIVILEGED, closed)
    advice = "cannot be written (Permission denied); choose a folder you may write to"
    assert ended.stdout.splitlines() == [f"a.png: {advice}", f"deep/er: {advice}"], ended.stderr
    assert names(closed) == []


def test_a_file_in_a_missing_folder_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="make its folder first"):
        write_bytes(tmp_path / "missing" / "a.png", b"data")
    assert names(tmp_path) == []


def test_a_folder_in_the_place_of_a_file_is_refused_and_nothing_left(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OutputError, match=r"a\.png: cannot be written"):
        write_bytes(tmp_path / "a.png", b"data")
    assert names(tmp_path) == [b"a.png"]


def test_a_file_in_the_place_of_a_folder_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(OutputError, match="a file is in the way"):
        make_folder(tmp_path / "out")
    with pytest.raises(OutputError, match="a file is in the way"):
        make_folder(tmp_path / "out" / "deeper")


def test_a_folder_is_made_with_its_parents_and_may_stand_already(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    assert make_folder(deep) == make_folder(deep) == deep
    assert deep.is_dir()


def test_images_are_listed_by_suffix_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    names = [b"A.PNG", b"a.jpeg", b"b.Tif", b"\xc3\xa9.webp", b"\xff.png"]
    for name in [*reversed(names), b"notes.txt", b"png", b"c.png.xml"]:
        (tmp_path / os.fsdecode(name)).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "z.png").write_bytes(b"")
    assert [os.fsencode(path.name) for path in list_images(tmp_path)] == names


def test_an_empty_folder_holds_no_images(tmp_path: Path) -> None:
    assert list_images(tmp_path) == ()


@pytest.mark.parametrize("exists", [False, True], ids=["missing", "a file"])
def test_a_folder_of_images_that_is_none_is_refused(tmp_path: Path, exists: bool) -> None:  # noqa: FBT001
    folder = tmp_path / "photos"
    if exists:
        folder.write_bytes(b"")
    with pytest.raises(UsageError, match="photos: no such folder of images"):
        list_images(folder)
