"""The cold start of ``crackseg predict``: what it imports, and what it leaves switched on."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crackseg.cli import main
from crackseg.imaging.codec import write_png

HEAVY = ("pydantic", "torch", "openvino", "rich", "yaml", "scipy", "skimage", "asyncio")

RUN = """
import sys
from crackseg.cli import main
code = main(sys.argv[1:])
print(*sys.modules, sep="\\n")
sys.exit(code)
"""


def test_predicting_one_image_imports_no_library_that_it_does_not_need(tmp_path: Path) -> None:
    write_png(tmp_path / "wall.png", np.full((40, 50, 3), 120, np.uint8))
    done = subprocess.run(
        [sys.executable, "-c", RUN, "predict", "wall.png", "-o", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.split())
    assert "crackseg.prediction.model" in modules
    assert not modules & {*HEAVY, "crackseg.imaging.tiff", "crackseg.prediction.streaming", "crackseg.config"}


@pytest.mark.parametrize("name", ["wall.png", "missing.png"])
def test_the_garbage_collector_is_on_afterwards(tmp_path: Path, name: str) -> None:
    write_png(tmp_path / "wall.png", np.full((40, 50, 3), 120, np.uint8))
    main(["predict", str(tmp_path / name), "-o", str(tmp_path / "out")])
    assert gc.isenabled()
