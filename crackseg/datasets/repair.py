"""A corrected copy of a data folder."""

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
from crackseg.imaging.codec import MASK_LEVEL, StoredImage, decode_stored, mask_pixels, read_file, write_png
from crackseg.imaging.samples import turn_upright
from crackseg.parallel import Progress, ProgressCallback

_TRUST = {"test": 0, "val": 1, "train": 2, "": 3}
"""Of a picture in two splits, the copy in the first of these stays: scores published on it stay what they were."""

_CLEAR_CONTRAST = 0.5
_HOPELESS = frozenset({"no-mask", "no-image", "unreadable-image", "unreadable-mask", "other-file", "same-stem"})
_UNKNOWN = {
    "same-mask": "the files do not tell to which it belongs",
    "classes": "the files do not tell which of them is crack",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one file of the copy.

    Attributes:
        file: The file, relative to the data folder.
        action: ``rewritten`` or ``left out``.
        reason: Why.
    """

    file: Path
    action: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {"file": display_text(self.file), "action": self.action, "reason": self.reason}


def write_corrected(report: DatasetReport, output: Path, *, progress: ProgressCallback | None = None) -> list[Change]:
    """Write a copy of a data folder with what can be put right put right, and the rest left out.

    Masks become 8-bit PNG of 0 and 255 with the stem of their image; images and masks with an EXIF orientation are
    turned upright for good. What cannot be read, has no partner or does not fit stays out, and so does what nobody can
    know from the files, and copies of a picture: the later one in a split, the one for training across splits. What
    needs no change is copied byte for byte.
    ``changes.json`` lists everything that is not.

    Args:
        report: What the doctor found.
        output: A folder that is missing or empty, outside the data folder.
        progress: Called after each pair; the unit is pairs.

    Raises:
        UsageError: If ``output`` is not such a folder.
        OutputError: If a file cannot be written.
    """
    check_output(report.folder, output)
    out = _left_out(report)
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
    """Check that a corrected copy of ``folder`` may be written to ``output``, before the work is done.

    Raises:
        UsageError: If it is no missing or empty folder outside ``folder``.
    """
    whole, source = output.resolve(), folder.resolve()
    if whole == source or source in whole.parents or whole in source.parents:
        raise UsageError("would be written into what is read", where=output, hint="choose a folder beside the data")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError("is not an empty folder", where=output, hint="choose a new one")


def _left_out(report: DatasetReport) -> dict[Path, str]:
    """Return the files that stay out of the copy, and why; of a pair both do."""
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
            for one, reason in _doubtful(report, finding):
                leave(one, f"{finding.text}; {reason}")
        elif (
            finding.kind in ("size-differs", "turned")
            and _mask_turn(*_read_pair(report.folder, partners[path])) is None
        ):
            leave(path, f"{finding.text}; sizes do not tell how the mask lies")
    for finding in report.findings:
        if finding.kind in ("same-image", "same-image-across", "near-image-across"):
            _leave_copy(finding, partners, out, leave)
    return out


def _doubtful(report: DatasetReport, finding: Finding) -> Iterator[tuple[Path, str]]:
    """Yield the files of a finding except one whose label alone of all stands out, each with the reason."""
    contrast = report.contrasts
    fits = [path for path in finding.files if contrast.get(path, 0.0) >= _CLEAR_CONTRAST]
    off = [path for path in finding.files if contrast.get(path, 0.0) < LEAST_CONTRAST]
    clear = len(fits) == 1 and len(off) == len(finding.files) - 1
    for path in off if clear else finding.files:
        yield path, f"its crack is that of {display_text(fits[0])}" if clear else _UNKNOWN[finding.kind]


def _leave_copy(
    finding: Finding, partners: dict[Path, Pair], out: dict[Path, str], leave: Callable[[Path, str], None]
) -> None:
    one, other = (partners[path] for path in finding.files)
    if one.image in out or other.image in out:
        return
    gone, kept = (one, other) if _TRUST[one.split] > _TRUST[other.split] else (other, one)
    leave(gone.image, f"{finding.text}; {display_text(kept.image)} stays")


def _read_pair(folder: Path, pair: Pair) -> tuple[StoredImage, StoredImage]:
    return (
        decode_stored(read_file(folder / pair.image), name=display_text(pair.image)),
        decode_stored(read_file(folder / pair.mask), name=display_text(pair.mask), as_mask=True),
    )


def _mask_turn(image: StoredImage, mask: StoredImage) -> int | None:
    """Return the EXIF orientation to undo in a mask that has been read upright, 1 for none; None if nobody can tell."""
    shape, mask_shape = image.samples.shape[:2], mask.samples.shape[:2]
    if image.orientation == mask.orientation:
        return 1 if shape == mask_shape else None
    # One side is turned. Only where height and width change places do sizes tell whether the other lay like it.
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
    """Return in what way a mask is other than an upright 8-bit PNG of 0 and 255 with the stem of its image."""
    samples = mask.samples
    plain = samples.dtype == np.uint8 and samples.ndim == 2 and not mask.palette
    faults = {
        "was no 8-bit PNG in one channel": not plain or mask.kind != "PNG",
        "held values other than 0 and 255": not np.isin(samples, (0, 255)).all(),
        "was not named like its image": pair.mask.stem != pair.image.stem or pair.mask.suffix != ".png",
        f"EXIF orientation {mask.orientation} undone": mask.orientation != 1,
        "turned like its image": turn != 1,
    }
    return [fault for fault, applies in faults.items() if applies]
