"""Tests that a run survives the failure of any single file operation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LAB = """
import errno, itertools, os, sys
from pathlib import Path

import crackseg.generation.run as run
from crackseg.errors import CracksegError
from crackseg.generation import FORMATS, GenerationJob, generate
from data_gen import Recipe, generate_sample

base, recipe = Path(sys.argv[1]), Recipe(size=64)
samples = [generate_sample(recipe, seed=1, index=index) for index in range(2)]
run.generate_sample = lambda recipe, *, seed, index, assets: samples[index]
left = None  # operations until one fails; None for none


def hook(event, arguments):
    global left
    if left is None or event not in ("open", "os.rename", "os.remove", "os.mkdir"):
        return
    if not str(arguments[0]).startswith(str(base)):
        return
    left -= 1
    if left == 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def job(folder):
    return GenerationJob(recipe, folder, len(samples), 1, formats=FORMATS)


sys.addaudithook(hook)
generate(job(base / "whole"), workers=1)
whole = contents(base / "whole")
for number in itertools.count(1):
    left = number
    try:
        generate(job(base / str(number)), workers=1)
    except CracksegError as error:
        assert "No space left on device" in str(error), error
        left = None
    if left is not None:
        break
    generate(job(base / str(number)), workers=1, resume=True)
    assert contents(base / str(number)) == whole, number
print(number - 1)
"""


def test_a_failed_file_operation_is_one_error_and_resuming_loses_nothing(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LAB, tmp_path], capture_output=True, text=True, timeout=900, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 30
