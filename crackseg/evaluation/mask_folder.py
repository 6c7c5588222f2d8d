"""Match masks that any program made to the images of data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crackseg.datasets.samples import Sample, read_sample_and_void
from crackseg.errors import DatasetError, UsageError, display_text
from crackseg.evaluation.counting import PredictedSample
from crackseg.files import list_images
from crackseg.imaging.codec import read_mask

_SUFFIX = "_mask"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MaskFolder:
    """Masks that any program made, by sample.

    Attributes:
        name: Folder, as the user wrote it.
        by_sample: Mask file of each sample that has one.
        left_over: Errors of mask files that belong to no sample.
    """

    name: str
    by_sample: Mapping[Sample, Path]
    left_over: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"MaskFolder({self.name!r}, {len(self.by_sample)} masks)"

    def predict_sample(self, sample: Sample) -> PredictedSample:
        """Read a sample and the mask that stands for its prediction.

        Raises:
            ImageError: If a file cannot be read.
            DatasetError: If there is no mask for the sample, or sizes differ.
        """
        if sample not in self.by_sample:
            raise DatasetError(
                f"no mask for {display_text(sample.image.name)} of {display_text(sample.group)}",
                where=self.name,
                hint=f"add {display_text(sample.image.stem)}.png",
            )
        image, true, void = read_sample_and_void(sample)
        predicted = read_mask(self.by_sample[sample])
        if predicted.shape != true.shape:
            raise DatasetError(
                f"the mask is {predicted.shape[1]}x{predicted.shape[0]} pixels, its image "
                f"{true.shape[1]}x{true.shape[0]}",
                where=self.by_sample[sample],
                hint="write the mask at the size of the image",
            )
        if void is not None:
            predicted &= ~void
        return PredictedSample(image, true, predicted.astype(np.float32), predicted)


def match_masks(folder: Path, samples: Sequence[Sample]) -> MaskFolder:
    """Match the masks of a folder to samples by stem.

    The masks of data set ``NAME`` are in ``folder/NAME`` if there is such a folder, or else in ``folder``. Where no
    file has the stem of an image, files named ``STEM_mask`` are the masks, as ``crackseg predict`` names them.

    Args:
        folder: Folder with a mask for each sample.
        samples: Images with true masks.

    Raises:
        UsageError: If there is no such folder, if no mask belongs to a sample, or if one belongs to two.
        DatasetError: If two masks share a stem.

    Example:
        >>> from crackseg.datasets import find_samples
        >>> match_masks(Path("walls/masks"), find_samples(Path("walls"), "test"))
        MaskFolder('walls/masks', 2 masks)
    """
    if not folder.is_dir():
        raise UsageError("no such folder of masks", where=folder, hint="check the path")
    by_sample: dict[Sample, Path] = {}
    left_over: list[str] = []
    members: dict[Path, list[Sample]] = {}
    for sample in samples:
        part = folder / sample.group
        members.setdefault(part if part.is_dir() else folder, []).append(sample)
    for part, group in members.items():
        by_stem = _masks_by_stem(part, {sample.image.stem for sample in group})
        for sample in group:
            if sample.image.stem in by_stem:
                by_sample[sample] = by_stem[sample.image.stem]
        stems = {sample.image.stem for sample in group}
        if len(stems) < len(group):
            raise UsageError(
                "two data sets have an image of the same stem",
                where=part,
                hint="put the masks of each data set into a folder of its name",
            )
        left_over += [
            str(DatasetError("belongs to no image", where=path, hint="remove it, or add its image"))
            for stem, path in by_stem.items()
            if stem not in stems
        ]
    if not by_sample:
        raise UsageError("no mask here has the stem of an image", where=folder, hint="name each mask like its image")
    return MaskFolder(display_text(folder), by_sample, tuple(left_over))


def _masks_by_stem(folder: Path, stems: set[str]) -> dict[str, Path]:
    """Return the masks of a folder by the stem of their image.

    Raises:
        DatasetError: If two masks share a stem.
    """
    paths = list_images(folder)
    marked = not stems.intersection(path.stem for path in paths) and any(path.stem.endswith(_SUFFIX) for path in paths)
    by_stem: dict[str, Path] = {}
    for path in paths:
        if marked and not path.stem.endswith(_SUFFIX):
            continue
        stem = path.stem.removesuffix(_SUFFIX) if marked else path.stem
        if stem in by_stem:
            raise DatasetError(
                f"has the same stem as {display_text(by_stem[stem].name)}", where=path, hint="keep only one of them"
            )
        by_stem[stem] = path
    return by_stem
