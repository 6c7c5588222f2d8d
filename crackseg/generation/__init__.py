"""Synthetic samples on disk: images, masks, annotations and a manifest, in as many processes as there are cores."""

from crackseg.generation.job import FORMATS, AssetFolders, GenerationJob, LabelFormat
from crackseg.generation.run import generate

__all__ = ["FORMATS", "AssetFolders", "GenerationJob", "LabelFormat", "generate"]
