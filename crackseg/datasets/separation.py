"""Keep images of equal content, and tiles of one photo, on one side of a split."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from crackseg.datasets.content import hash_files, read_thumbnails
from crackseg.datasets.duplicates import find_duplicates
from crackseg.datasets.samples import Sample
from crackseg.errors import DatasetError, UsageError, display_text
from crackseg.imaging.codec import read_image
from crackseg.parallel import ProgressCallback

_SHOWN = 3
"""Largest number of names in an error message."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Samples that belong together.

    Attributes:
        of: Number of the cluster of each sample. Samples of one number have images of equal or nearly equal content, or
            names of one photo.
        content: SHA-256 of the image of each sample.
        name: Part of the name that identifies the photo of a sample; empty if unknown.
    """

    of: dict[Sample, int]
    content: dict[Sample, bytes]
    name: dict[Sample, str]


def cluster_samples(
    samples: Sequence[Sample], *, pattern: str | None = None, progress: ProgressCallback | None = None
) -> Clusters:
    """Find the samples that belong together.

    Args:
        samples: The samples.
        pattern: Regular expression to search in the stem of every image file. Its first group, or the whole match
            without one, identifies the photo. None leaves names out.
        progress: Called while the images are read.

    Raises:
        UsageError: If the pattern is invalid or matches no name.
        ImageError: If an image cannot be read.
    """
    names = _photo_names(samples, pattern)
    paths = [sample.image for sample in samples]
    hashes = hash_files(paths, progress=progress)
    content = {sample: hashes[sample.image] for sample in samples}
    # Equal files are known by their hash, and one of each is compared with the others.
    single = list({content[sample]: sample for sample in reversed(samples)}.values())[::-1]
    images = [sample.image for sample in single]
    thumbnails = read_thumbnails([content[sample] for sample in single], images, progress=progress)
    near = find_duplicates(thumbnails, lambda index: read_image(images[index]))
    parents: dict[Hashable, Hashable] = {}
    for sample in samples:
        _join(parents, sample, content[sample])
        if names[sample]:
            _join(parents, sample, names[sample])
    for pair in near:
        _join(parents, content[single[pair.first]], content[single[pair.second]])
    numbers: dict[Hashable, int] = {}
    clusters = {sample: numbers.setdefault(_root(parents, sample), len(numbers)) for sample in samples}
    return Clusters(clusters, content, names)


def _photo_names(samples: Sequence[Sample], pattern: str | None) -> dict[Sample, str]:
    if pattern is None:
        return dict.fromkeys(samples, "")
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise UsageError(f"invalid regular expression ({error})", where="--group-by", hint="correct it") from error
    matches = {sample: search(sample.image.stem) for sample in samples}
    names = {
        sample: "" if match is None else (match.group(1) or "") if match.re.groups else match.group()
        for sample, match in matches.items()
    }
    if not any(names.values()):
        raise UsageError(
            f"'{pattern}' matches no image, such as {display_text(samples[0].image.name)}",
            where="--group-by",
            hint=r"match the part of the name that tiles of one photo share, such as '(.*)_\d+'",
        )
    return names


def _root(parents: dict[Hashable, Hashable], item: Hashable) -> Hashable:
    while (parent := parents.setdefault(item, item)) != item:
        parents[item] = parents.setdefault(parent, parent)
        item = parent
    return item


def _join(parents: dict[Hashable, Hashable], one: Hashable, other: Hashable) -> None:
    parents[_root(parents, other)] = _root(parents, one)


def separate(
    train: Sequence[Sample], validation: Sequence[Sample], clusters: Clusters
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Return training samples without those that belong to a validation sample.

    Args:
        train: Training samples.
        validation: Validation samples, which all stay.
        clusters: Clusters of both.

    Returns:
        The training samples that stay, and those that are left out.

    Raises:
        DatasetError: If images are on both sides, or no training sample stays.
    """
    contents = {clusters.content[sample]: sample for sample in validation}
    equal = [(sample, contents[clusters.content[sample]]) for sample in train if clusters.content[sample] in contents]
    if equal:
        pairs = [f"{display_text(one.image)} is {display_text(other.image)}" for one, other in equal[:_SHOWN]]
        more = f" and {len(equal) - _SHOWN} more" if len(equal) > _SHOWN else ""
        raise DatasetError(
            f"images are in the training and the validation data: {', '.join(pairs)}{more}",
            hint="remove them from one of the folders, or leave --val out to hold images out",
        )
    sides = {clusters.of[sample] for sample in validation}
    kept = tuple(sample for sample in train if clusters.of[sample] not in sides)
    if not kept:
        raise DatasetError(
            "every training image has a near copy, or a tile of the same photo, in the validation data",
            hint="validate on images of other places",
        )
    return kept, tuple(sample for sample in train if clusters.of[sample] in sides)


def hold_out_clusters(
    samples: Sequence[Sample], fraction: float, clusters: Clusters
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Divide samples like `hold_out`, with every cluster on one side.

    Args:
        samples: At least two samples.
        fraction: Share to hold out, above 0 and below 1.
        clusters: Clusters of the samples. A cluster counts for the data set of its first sample.

    Returns:
        The samples to train on and the held-out samples, both in their order.

    Raises:
        DatasetError: If there are fewer than two clusters.
    """
    held: set[int] = set()
    groups: dict[str, dict[int, list[Sample]]] = {}
    homes: dict[int, str] = {}
    for sample in samples:
        home = homes.setdefault(clusters.of[sample], sample.group)
        groups.setdefault(home, {}).setdefault(clusters.of[sample], []).append(sample)
    for members in groups.values():
        total = sum(len(cluster) for cluster in members.values())
        goal, count = max(1, round(fraction * total)), 0
        ranked = sorted(members, key=lambda number: min(rank_sample(sample) for sample in members[number]))
        for number in ranked[: len(members) - 1]:
            size = len(members[number])
            if count < goal and (count == 0 or count + size <= goal + goal // 2):
                held.add(number)
                count += size
    if not held:
        raise DatasetError(
            "all images are near copies of each other, or tiles of one photo; none can be held out",
            hint="add images of other places, or give them with --val",
        )
    return (
        tuple(sample for sample in samples if clusters.of[sample] not in held),
        tuple(sample for sample in samples if clusters.of[sample] in held),
    )


def rank_sample(sample: Sample) -> bytes:
    """Return the hash of an image's stem, which orders samples."""
    return hashlib.sha256(sample.image.stem.encode("utf-8", "replace")).digest()
