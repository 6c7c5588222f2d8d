"""Settings of a generation run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from data_gen import Recipe

LabelFormat = Literal["voc", "coco", "yolo", "rle"]
"""Annotation format: Pascal VOC, COCO, YOLO-seg or competition run lengths."""

FORMATS: tuple[LabelFormat, ...] = get_args(LabelFormat)


@dataclass(frozen=True, slots=True)
class AssetFolders:
    """Folders of the user's assets; None uses only procedural content.

    Attributes:
        backgrounds: Crack-free images.
        patterns: Crack masks to cut cracks from.
        noise: Noise patches, in the subfolders ``small`` and ``big``.
    """

    backgrounds: Path | None = None
    patterns: Path | None = None
    noise: Path | None = None


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """Samples to generate and folder to write.

    Attributes:
        recipe: Settings of the samples.
        output: Folder to write.
        count: Number of samples.
        seed: Random seed.
        folders: Folders of the user's assets.
        formats: Annotation formats to write.
        polygons: True for polygons instead of run lengths in COCO.
    """

    recipe: Recipe
    output: Path
    count: int
    seed: int = 0
    folders: AssetFolders = AssetFolders()
    formats: tuple[LabelFormat, ...] = ("voc",)
    polygons: bool = False
