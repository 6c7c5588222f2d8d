"""Images for the tests of the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.runs import line_sample


def write_wall(path: Path, number: int = 0, shape: tuple[int, int] = (64, 80)) -> Path:
    """An image of a wall with one dark line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(line_sample(number, shape)[0]).save(path)
    return path


def pixels(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
