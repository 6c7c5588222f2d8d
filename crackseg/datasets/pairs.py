"""Which image belongs to which mask, in a folder that may not be in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crackseg.datasets.findings import Finding
from crackseg.errors import UsageError, display_text
from crackseg.files import list_images

SPLITS = ("", "train", "val", "test")
"""Parts a data folder may have; the first is the folder itself."""

_MASK_ENDINGS = ("_mask", "-mask", "_label", "-label", "_labels", "_gt", "-gt", "_seg", "_annotation", "_groundtruth")


@dataclass(frozen=True, slots=True)
class Pair:
    """An image file and its mask file, relative to the data folder.

    Attributes:
        split: Its part: ``train``, ``val``, ``test``, or empty where the folder has no parts.
        image: The image.
        mask: Its mask.
    """

    split: str
    image: Path
    mask: Path


def find_pairs(folder: Path) -> tuple[tuple[Pair, ...], list[Finding]]:
    """Pair the files of ``DIR/{images,masks}`` and ``DIR/{train,val,test}/{images,masks}``.

    Returns:
        The pairs, split by split, by name, and what keeps other files from being one.

    Raises:
        UsageError: If the folder is missing, has no such parts, or nothing in them.
    """
    if not folder.is_dir():
        raise UsageError("no such data folder", where=folder, hint="check the path")
    splits = [name for name in SPLITS if any((folder / name / part).is_dir() for part in ("images", "masks"))]
    if not splits:
        raise UsageError(
            "no images here", where=folder, hint="expected images and masks, or train/images and train/masks"
        )
    pairs: list[Pair] = []
    findings: list[Finding] = []
    for split in splits:
        images = _listed(folder, Path(split) / "images", findings)
        masks = _listed(folder, Path(split) / "masks", findings)
        pairs += _paired(split, images, masks, findings)
    if not pairs and not findings:
        raise UsageError("holds no image", where=folder, hint="put images and masks there, as PNG for example")
    return tuple(pairs), findings


def _listed(folder: Path, part: Path, findings: list[Finding]) -> dict[str, Path]:
    """Return the image files of a part by stem, relative to the data folder; of two with one stem the first."""
    if not (folder / part).is_dir():
        return {}
    known = list_images(folder / part)
    others = {path.name for path in (folder / part).iterdir() if path.is_file()} - {path.name for path in known}
    findings += [Finding("other-file", (part / name,), "is left aside") for name in sorted(others)]
    found: dict[str, Path] = {}
    for path in known:
        place = part / path.name
        if path.stem in found:
            other = display_text(found[path.stem].name)
            findings.append(Finding("same-stem", (found[path.stem], place), f"has the same stem as {other}"))
        else:
            found[path.stem] = place
    return found


def _paired(split: str, images: dict[str, Path], masks: dict[str, Path], findings: list[Finding]) -> Iterable[Pair]:
    """Pair files by stem, what is left by a stem that nearly fits, and note what has no partner."""
    matched = {stem: stem for stem in images if stem in masks}
    spare = {_bare(stem): stem for stem in masks if stem not in matched}
    for stem in images:
        if stem not in matched and _bare(stem) in spare:
            matched[stem] = spare.pop(_bare(stem))
            text = f"belongs to {display_text(images[stem].name)}, and is not named like it"
            findings.append(Finding("mask-name", (masks[matched[stem]],), text))
    taken = set(matched.values())
    lone = [path for stem, path in images.items() if stem not in matched]
    orphans = [path for stem, path in masks.items() if stem not in taken]
    findings += _partnerless("no-mask", lone, "has no mask")
    findings += _partnerless("no-image", orphans, "has no image")
    return [Pair(split, images[stem], masks[other]) for stem, other in matched.items()]


def _partnerless(kind: str, paths: Sequence[Path], text: str) -> list[Finding]:
    return [Finding(kind, (path,), text) for path in paths]


def _bare(stem: str) -> str:
    """Return a stem without what tools put behind the names of masks, in lower case."""
    lower = stem.lower()
    for ending in _MASK_ENDINGS:
        if lower.endswith(ending) and len(lower) > len(ending):
            return lower.removesuffix(ending)
    return lower
