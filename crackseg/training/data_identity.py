"""Describe the data of a training, and compare them with those of a run to resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crackseg.datasets.content import hash_files
from crackseg.datasets.samples import Sample, hash_samples
from crackseg.errors import ConfigError
from crackseg.modelcard.domain import describe_files, fit_domain
from crackseg.parallel import ProgressCallback

DataDescription = Mapping[str, Sequence[Mapping[str, str | int]]]
"""Name, number of images and SHA-256 of every data set, under ``train`` and ``validation``."""


def describe_data(
    train: Sequence[Sample], validation: Sequence[Sample], *, progress: ProgressCallback | None = None
) -> DataDescription:
    """Describe the samples of a training by their content.

    Args:
        train: Training samples.
        validation: Validation samples.
        progress: Called while files are hashed.
    """
    # One call for all files shows one progress and remembers the hashes once.
    hash_files([path for sample in (*train, *validation) for path in (sample.image, sample.mask)], progress=progress)
    sides = {"train": train, "validation": validation}
    return {
        side: [_describe_group(group, samples) for group in dict.fromkeys(sample.group for sample in samples)]
        for side, samples in sides.items()
    }


def _describe_group(group: str, samples: Sequence[Sample]) -> dict[str, str | int]:
    members = [sample for sample in samples if sample.group == group]
    return {"name": group, "images": len(members), "sha256": hash_samples(members)}


def check_same_data(was: DataDescription | None, now: DataDescription, *, where: Path) -> None:
    """Check that a run is resumed with its own data.

    Args:
        was: Description of the data of the run; None for a run of a version that did not store it.
        now: Description of the present data.
        where: Run folder.

    Raises:
        ConfigError: If the content differs. Names of folders may change.
    """
    if was is None:
        return
    differences = []
    for side in ("train", "validation"):
        old, new = was.get(side, ()), now[side]
        if [group["sha256"] for group in old] == [group["sha256"] for group in new]:
            continue
        before, after = _summarise(old), _summarise(new)
        change = f"were {before} and are {after}" if before != after else f"have other content ({after})"
        differences.append(f"the {'training' if side == 'train' else side} data {change}")
    if differences:
        raise ConfigError(
            f"the run has other data: {'; '.join(differences)}",
            where=where,
            hint="resume with the data of the run, or start from its weights with --init in another folder",
        )


def _summarise(groups: Sequence[Mapping[str, str | int]]) -> str:
    return ", ".join(f"{group['name']} ({group['images']} images)" for group in groups) or "none"


def describe_domain(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the image domain of samples, before augmentation, for the card."""
    groups: dict[str, list[Path]] = {}
    for sample in samples:
        groups.setdefault(sample.group, []).append(sample.image)
    descriptions = describe_files(groups)
    return fit_domain(list(descriptions.values())).to_dict() if descriptions else {}
