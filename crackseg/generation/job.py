"""What to generate, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from data_gen import Recipe

LabelFormat = Literal["voc", "coco", "yolo", "rle"]
"""Pascal VOC, COCO, YOLO-seg, and the run lengths of competitions."""

FORMATS: tuple[LabelFormat, ...] = get_args(LabelFormat)


@dataclass(frozen=True, slots=True)
class AssetFolders:
    """Folders of the user's own material; None leaves it to `data_gen`.

    Attributes:
        backgrounds: Crack-free photographs.
        patterns: Crack masks to cut out.
        noise: Patches, in its folders ``small`` and ``big``.
    """

    backgrounds: Path | None = None
    patterns: Path | None = None
    noise: Path | None = None


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """What to generate, and where to.

    Attributes:
        recipe: What the samples look like.
        output: The folder to write.
        count: How many samples.
        seed: Of everything random.
        folders: The user's own material.
        formats: Annotations to write.
        polygons: COCO outlines as polygons, not as run lengths.
    """

    recipe: Recipe
    output: Path
    count: int
    seed: int = 0
    folders: AssetFolders = AssetFolders()
    formats: tuple[LabelFormat, ...] = ("voc",)
    polygons: bool = False
