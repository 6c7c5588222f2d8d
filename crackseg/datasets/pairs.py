"""Pair the images and masks of a data folder that may be out of order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crackseg.datasets.findings import Finding
from crackseg.datasets.samples import VAL_FOLDERS
from crackseg.errors import UsageError, display_text
from crackseg.files import list_images

SPLITS = ("", "train", *VAL_FOLDERS, "test")
"""Splits of a data folder; the first is the folder itself."""

_MASK_ENDINGS = ("_mask", "-mask", "_label", "-label", "_labels", "_gt", "-gt", "_seg", "_annotation", "_groundtruth")


@dataclass(frozen=True, slots=True)
class Pair:
    """An image file and its mask file, relative to the data folder.

    Attributes:
        split: ``train``, ``val``, ``valid``, ``validation``, ``test``, or empty where the folder has no splits.
        image: Image file.
        mask: Mask file.
    """

    split: str
    image: Path
    mask: Path


def find_pairs(folder: Path) -> tuple[tuple[Pair, ...], list[Finding]]:
    """Pair the files of ``DIR/{images,masks}`` and ``DIR/{train,val,test}/{images,masks}``.

    Returns:
        The pairs by split and name, and findings for all other files.

    Raises:
        UsageError: If the folder is missing, has no such splits, or they are empty.

    Example:
        >>> pairs, findings = find_pairs(Path("walls"))
        >>> pairs[0].mask.as_posix(), findings
        ('masks/00.png', [])
    """
    if not folder.is_dir():
        raise UsageError("no such data folder", where=folder, hint="check the path")
    splits = [name for name in SPLITS if any((folder / name / part).is_dir() for part in ("images", "masks"))]
    if not splits:
        raise UsageError(
            "no images here", where=folder, hint="name a folder with images and masks, or train/images and train/masks"
        )
    pairs: list[Pair] = []
    findings: list[Finding] = []
    for split in splits:
        images = _list_by_stem(folder, Path(split) / "images", findings)
        masks = _list_by_stem(folder, Path(split) / "masks", findings)
        pairs += _pair(split, images, masks, findings)
    findings += _name_others(folder)
    if not pairs and not findings:
        raise UsageError("no images here", where=folder, hint="put images and masks there, for example as PNG")
    return tuple(pairs), findings


def _name_others(folder: Path) -> list[Finding]:
    """Name subfolders that hold images and masks but are no known split."""
    others = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name not in SPLITS]
    return [
        Finding("other-folder", (Path(path.name),), "holds images and masks but is no split, so it is not checked")
        for path in others
        if (path / "images").is_dir() and (path / "masks").is_dir()
    ]


def _list_by_stem(folder: Path, part: Path, findings: list[Finding]) -> dict[str, Path]:
    """List the image files of a part by stem.

    Paths are relative to the data folder. Of two files with one stem, the first is listed.
    """
    if not (folder / part).is_dir():
        return {}
    known = list_images(folder / part)
    others = {path.name for path in (folder / part).iterdir() if path.is_file()} - {path.name for path in known}
    findings += [Finding("other-file", (part / name,), "is ignored") for name in sorted(others)]
    by_stem: dict[str, Path] = {}
    for path in known:
        place = part / path.name
        if path.stem in by_stem:
            other = display_text(by_stem[path.stem].name)
            findings.append(Finding("same-stem", (by_stem[path.stem], place), f"has the same stem as {other}"))
        else:
            by_stem[path.stem] = place
    return by_stem


def _pair(split: str, images: dict[str, Path], masks: dict[str, Path], findings: list[Finding]) -> Iterable[Pair]:
    """Pair files by equal stems, then by nearly equal stems."""
    matched = {stem: stem for stem in images if stem in masks}
    spare = {_bare(stem): stem for stem in masks if stem not in matched}
    for stem in images:
        if stem not in matched and _bare(stem) in spare:
            matched[stem] = spare.pop(_bare(stem))
            text = f"belongs to {display_text(images[stem].name)} but is not named like it"
            findings.append(Finding("mask-name", (masks[matched[stem]],), text))
    taken = set(matched.values())
    lone = [path for stem, path in images.items() if stem not in matched]
    orphans = [path for stem, path in masks.items() if stem not in taken]
    findings += _lone("no-mask", lone, "has no mask")
    findings += _lone("no-image", orphans, "has no image")
    return [Pair(split, images[stem], masks[other]) for stem, other in matched.items()]


def _lone(kind: str, paths: Sequence[Path], text: str) -> list[Finding]:
    return [Finding(kind, (path,), text) for path in paths]


def _bare(stem: str) -> str:
    """Return a stem in lower case without the ending of a mask."""
    lower = stem.lower()
    for ending in _MASK_ENDINGS:
        if lower.endswith(ending) and len(lower) > len(ending):
            return lower.removesuffix(ending)
    return lower
