"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

# The same cases in every run, and no time limit per case: the machines that run this differ by a factor of ten.
settings.register_profile("steady", deadline=None, derandomize=True, max_examples=60)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

RunPython = Callable[..., "subprocess.CompletedProcess[str]"]


def unmeasured_environment() -> dict[str, str]:
    """Return an environment in which no coverage is measured."""
    return {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"}


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of real images kept outside the repository."""
    named = os.environ.get("CRACKSEG_SHARED")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared"
    if not (folder / "badinputs").is_dir():
        pytest.skip(f"no shared folder at {folder}; set CRACKSEG_SHARED to have these tests run")
    return folder


@pytest.fixture(scope="session")
def run_python() -> RunPython:
    """Run code in a fresh interpreter and return the finished process."""

    def run(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *[os.fspath(argument) for argument in arguments]]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=unmeasured_environment()
        )

    return run


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    """A small image with coarse structure and no symmetry: ``(45, 70, 3)`` RGB pixels."""
    coarse = np.random.default_rng(7).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((9, 10, 1), dtype=np.uint8))
