"""Write a corrected copy of a data folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crackseg.datasets.check import LEAST_CONTRAST, DatasetReport
from crackseg.datasets.findings import Finding
from crackseg.datasets.pairs import Pair
from crackseg.errors import UsageError, display_text
from crackseg.files import make_folder, write_bytes
from crackseg.imaging.codec import MASK_LEVEL, decode_stored, mask_pixels, read_file, write_png
from crackseg.imaging.decoding import StoredImage
from crackseg.imaging.samples import turn_upright
from crackseg.parallel import Progress, ProgressCallback

_TRUST = {"test": 0, "val": 1, "valid": 1, "validation": 1, "train": 2, "": 3}
"""Rank of the splits. Of an image in two splits, the copy of lower rank is kept, so that published scores hold."""

_CLEAR_CONTRAST = 0.5
_HOPELESS = frozenset(
    {"no-mask", "no-image", "unreadable-image", "unreadable-mask", "other-file", "other-folder", "same-stem"}
)
_UNKNOWN = {
    "same-mask": "the files do not show which image it belongs to",
    "classes": "the files do not show which value is crack",
}


@dataclass(frozen=True, slots=True)
class Change:
    """Difference of one file between the data folder and the copy.

    Attributes:
        file: The file, relative to the data folder.
        action: ``rewritten`` or ``left out``.
        reason: Reason for the action.
    """

    file: Path
    action: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the change ready for JSON."""
        return {"file": display_text(self.file), "action": self.action, "reason": self.reason}


def write_corrected(report: DatasetReport, output: Path, *, progress: ProgressCallback | None = None) -> list[Change]:
    """Write a corrected copy of a data folder.

    Masks become 8-bit PNG files of 0 and 255 with the stem of their image. Images and masks with an EXIF orientation
    are stored upright. Files are left out if they cannot be read, have no partner, do not fit or are ambiguous. Of two
    copies of an image, the later one in a split or the one for training is left out. All other files are copied byte
    for byte. ``changes.json`` lists the changes.

    Args:
        report: Result of the check.
        output: A missing or empty folder outside the data folder.
        progress: Called after each pair; the unit is pairs.

    Raises:
        UsageError: If ``output`` is not such a folder.
        OutputError: If a file cannot be written.

    Example:
        >>> from crackseg.datasets.check import check_dataset
        >>> write_corrected(check_dataset(Path("walls")), Path("fixed"))
        []
    """
    check_output(report.folder, output)
    out = _list_left_out(report)
    changes = [Change(path, "left out", reason) for path, reason in out.items()]
    for done, pair in enumerate(report.pairs, start=1):
        if pair.image not in out:
            changes += _write_pair(report.folder, pair, output)
        if progress is not None:
            progress(Progress(done, len(report.pairs)))
    changes.sort(key=lambda change: display_text(change.file))
    listed = json.dumps([change.to_dict() for change in changes], indent=2) + "\n"
    write_bytes(make_folder(output) / "changes.json", listed.encode())
    return changes


def check_output(folder: Path, output: Path) -> None:
    """Check that a corrected copy of ``folder`` can be written to ``output``.

    Raises:
        UsageError: If ``output`` is not a missing or empty folder outside ``folder``.

    Example:
        >>> check_output(Path("walls"), Path("walls_fixed"))
    """
    whole, source = output.resolve(), folder.resolve()
    if whole == source or source in whole.parents or whole in source.parents:
        raise UsageError("the copy would overlap the data folder", where=output, hint="choose a folder outside it")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError("expected a missing or empty folder", where=output, hint="choose a new folder")


def _list_left_out(report: DatasetReport) -> dict[Path, str]:
    """List the files to leave out, with reasons.

    Of a pair, both files are left out.
    """
    partners = {path: pair for pair in report.pairs for path in (pair.image, pair.mask)}
    out: dict[Path, str] = {}

    def leave(path: Path, reason: str) -> None:
        pair = partners.get(path)
        for file in (path,) if pair is None else (pair.image, pair.mask):
            out.setdefault(file, reason)

    for finding in report.findings:
        path = finding.files[-1]
        if finding.kind in _HOPELESS:
            leave(path, finding.text)
        elif finding.kind in _UNKNOWN:
            for one, reason in _list_ambiguous(report, finding):
                leave(one, f"{finding.text}; {reason}")
        elif (
            finding.kind in ("size-differs", "turned")
            and _mask_turn(*_read_pair(report.folder, partners[path])) is None
        ):
            leave(path, f"{finding.text}; the sizes do not show the orientation of the mask")
    for finding in report.findings:
        if finding.kind in ("same-image", "same-image-across", "near-image-across"):
            _leave_copy(finding, partners, out, leave)
    return out


def _list_ambiguous(report: DatasetReport, finding: Finding) -> Iterator[tuple[Path, str]]:
    """Yield the ambiguous files of a finding with reasons.

    If exactly one of the labels stands out from its surroundings, its file is not ambiguous.
    """
    contrast = report.contrasts
    fits = [path for path in finding.files if contrast.get(path, 0.0) >= _CLEAR_CONTRAST]
    off = [path for path in finding.files if contrast.get(path, 0.0) < LEAST_CONTRAST]
    clear = len(fits) == 1 and len(off) == len(finding.files) - 1
    for path in off if clear else finding.files:
        yield path, f"the mask fits {display_text(fits[0])}" if clear else _UNKNOWN[finding.kind]


def _leave_copy(
    finding: Finding, partners: dict[Path, Pair], out: dict[Path, str], leave: Callable[[Path, str], None]
) -> None:
    one, other = (partners[path] for path in finding.files)
    if one.image in out or other.image in out:
        return
    gone, kept = (one, other) if _TRUST[one.split] > _TRUST[other.split] else (other, one)
    leave(gone.image, f"{finding.text}; {display_text(kept.image)} is kept")


def _read_pair(folder: Path, pair: Pair) -> tuple[StoredImage, StoredImage]:
    return (
        decode_stored(read_file(folder / pair.image), name=display_text(pair.image)),
        decode_stored(read_file(folder / pair.mask), name=display_text(pair.mask), as_mask=True),
    )


def _mask_turn(image: StoredImage, mask: StoredImage) -> int | None:
    """Find the EXIF orientation to undo in a mask read upright.

    Returns:
        The orientation, 1 for none; None if the sizes do not show it.
    """
    shape, mask_shape = image.samples.shape[:2], mask.samples.shape[:2]
    if image.orientation == mask.orientation:
        return 1 if shape == mask_shape else None
    # Only one side has an orientation. Sizes show that of the other only where height and width change places.
    if shape[0] == shape[1] or {image.orientation, mask.orientation} & {2, 3, 4}:
        return None
    if shape == mask_shape:
        return 1
    return image.orientation if mask.orientation == 1 and shape == mask_shape[::-1] else None


def _write_pair(folder: Path, pair: Pair, output: Path) -> list[Change]:
    changes = []
    image, mask = _read_pair(folder, pair)
    make_folder((output / pair.image).parent)
    make_folder((output / pair.mask).parent)
    if image.orientation == 1:
        write_bytes(output / pair.image, read_file(folder / pair.image))
    else:
        write_png((output / pair.image).with_suffix(".png"), image.rgb())
        changes.append(Change(pair.image, "rewritten", f"turned upright, EXIF orientation {image.orientation} undone"))
    turn = _mask_turn(image, mask) or 1
    reasons = _mask_faults(pair, mask, turn)
    if not reasons:
        write_bytes(output / pair.mask, read_file(folder / pair.mask))
        return changes
    crack = turn_upright(mask.mask_levels() >= MASK_LEVEL, turn).astype(np.bool_)
    write_png((output / pair.mask).with_name(f"{pair.image.stem}.png"), mask_pixels(crack))
    return [*changes, Change(pair.mask, "rewritten", "; ".join(reasons))]


def _mask_faults(pair: Pair, mask: StoredImage, turn: int) -> list[str]:
    """List the faults of a mask file.

    A mask without faults is an upright 8-bit PNG file of 0 and 255 with the stem of its image.
    """
    samples = mask.samples
    plain = samples.dtype == np.uint8 and samples.ndim == 2 and not mask.palette
    faults = {
        "was not an 8-bit PNG of one channel": not plain or mask.kind != "PNG",
        "held values other than 0 and 255": not np.isin(samples, (0, 255)).all(),
        "was not named like its image": pair.mask.stem != pair.image.stem or pair.mask.suffix != ".png",
        f"EXIF orientation {mask.orientation} undone": mask.orientation != 1,
        "turned like its image": turn != 1,
    }
    return [fault for fault, applies in faults.items() if applies]
