"""Without the extra ``train``: prediction works, and what needs torch says what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.runs import REPOSITORY, line_sample, only_error

pytestmark = pytest.mark.train

_WITHOUT = """
import importlib.machinery, sys

class Hiding(importlib.machinery.PathFinder):
    hidden = set(sys.argv.pop(1).split(","))

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in cls.hidden else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Hiding
from crackseg.cli import main
sys.exit(main(sys.argv[1:]))
"""

TRAIN = "torch,torchvision,segmentation_models_pytorch,albumentations,safetensors,onnx,matplotlib,timm"


def run_without(hidden: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run crackseg in a process in which some packages cannot be found."""
    command = [sys.executable, "-c", _WITHOUT, hidden, *(os.fspath(argument) for argument in arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "wall.png"
    Image.fromarray(line_sample(0)[0]).save(path)
    return path


def test_prediction_needs_no_torch(run: Path, photo: Path, tmp_path: Path) -> None:
    done = run_without(TRAIN, "predict", photo, "-o", tmp_path / "out", "--model", run)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "wall_mask.png").exists()


@pytest.mark.parametrize("package", ["torch", "segmentation_models_pytorch", "albumentations", "safetensors", "onnx"])
def test_training_without_a_package_of_the_extra_says_what_to_install(data: Path, tmp_path: Path, package: str) -> None:
    done = run_without(package, "train", "--data", data, "-o", tmp_path / "run")
    assert done.returncode == 3
    line = only_error(done.stderr)
    assert f"needs the package {package}" in line
    assert f"pip install -e '{REPOSITORY}[train]'" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--model", "RUN", "--runtime", "torch"], id="torch asked for"),
        pytest.param(["--model", "RUN/best.safetensors"], id="a checkpoint"),
        pytest.param(["--model", "RUN", "--device", "cuda"], id="a GPU asked for"),
    ],
)
def test_prediction_that_needs_torch_says_what_to_install(
    run: Path, photo: Path, tmp_path: Path, arguments: list[str]
) -> None:
    placed = [argument.replace("RUN", str(run)) for argument in arguments]
    done = run_without(TRAIN, "predict", photo, "-o", tmp_path / "out", *placed)
    assert done.returncode == 3
    assert f"pip install -e '{REPOSITORY}[train]'" in only_error(done.stderr)
    assert not (tmp_path / "out").exists()


def test_the_doctor_works_without_torch() -> None:
    done = run_without(TRAIN, "doctor", "--json")
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr
