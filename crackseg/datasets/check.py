"""Check a data set: every pair of image and mask, then duplicates across the set."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crackseg.datasets.duplicates import Duplicate, find_duplicates
from crackseg.datasets.examination import ExaminedPair, examine_pair
from crackseg.datasets.findings import Finding, Severity, count_findings, group_by_kind
from crackseg.datasets.fingerprint import Match, crop_overlap, describe_turn, turn_image
from crackseg.datasets.label_statistics import LabelSums, count_fractions
from crackseg.datasets.pairs import Pair, find_pairs
from crackseg.errors import display_text
from crackseg.imaging.codec import mask_pixels, read_image, read_mask
from crackseg.parallel import Progress, ProgressCallback

LEAST_CONTRAST = 0.1
"""Labels with less contrast may belong to another image."""

_CLEAR_CONTRAST = 1.0
"""Labels with this contrast on the opposite side lie on something, if not on a crack."""

_LEAST_MASK_PX = 30
"""Masks with fewer crack pixels may be equal by chance."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DatasetReport:
    """Result of the check of a data folder.

    Attributes:
        folder: The data folder.
        pairs: Images with their masks.
        examined: Pairs that could be read and have one size.
        findings: Errors, warnings and notes.
    """

    folder: Path
    pairs: tuple[Pair, ...]
    examined: tuple[ExaminedPair, ...]
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        counts = count_findings(self.findings)
        return f"DatasetReport({display_text(self.folder)!r}, {len(self.pairs)} samples, {counts})"

    def count(self, severity: Severity) -> int:
        """Count the findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def splits(self) -> dict[str, int]:
        """Number of pairs by split; ``all`` for a folder without splits."""
        names = [pair.split or "all" for pair in self.pairs]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    @property
    def shapes(self) -> dict[tuple[int, int], int]:
        """Number of images by ``(height, width)`` in pixels, most frequent first."""
        shapes = [item.shape for item in self.examined]
        return dict(sorted(((shape, shapes.count(shape)) for shape in set(shapes)), key=lambda item: (-item[1], item)))

    @property
    def sums(self) -> LabelSums:
        """Sums over all masks."""
        return sum((item.sums for item in self.examined), LabelSums())

    @property
    def fractions(self) -> list[tuple[float, float, int]]:
        """Histogram of the crack fractions; see `count_fractions`."""
        return count_fractions([item.sums.crack_fraction or 0.0 for item in self.examined])

    @property
    def contrasts(self) -> dict[Path, float]:
        """Contrast of each label by mask file.

        It is positive for labels that are darker or lighter like most labels of the set.
        """
        contrasts = {item.pair.mask: item.contrast for item in self.examined if item.contrast is not None}
        side = -1.0 if contrasts and float(np.median(list(contrasts.values()))) < 0 else 1.0
        return {path: side * contrast for path, contrast in contrasts.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON."""
        return {
            "folder": display_text(self.folder),
            "samples": self.splits,
            "errors": self.count(Severity.ERROR),
            "warnings": self.count(Severity.WARNING),
            "notes": self.count(Severity.NOTE),
            "shapes": [
                {"height_px": height, "width_px": width, "images": count}
                for (height, width), count in self.shapes.items()
            ],
            "labels": self.sums.to_dict(),
            "crack_fractions": [{"above": low, "up_to": high, "masks": count} for low, high, count in self.fractions],
            "findings": [finding.to_dict() for group in group_by_kind(self.findings).values() for finding in group],
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a dictionary per finding, worst first, ready for a data frame."""
        return [
            {**finding.to_dict(), "files": " ".join(display_text(path) for path in finding.files)}
            for group in group_by_kind(self.findings).values()
            for finding in group
        ]


def check_dataset(folder: Path, *, progress: ProgressCallback | None = None) -> DatasetReport:
    """Check a data folder without changing it.

    Args:
        folder: ``DIR/{images,masks}`` or ``DIR/{train,val,test}/{images,masks}``.
        progress: Called after each pair; the unit is pairs.

    Raises:
        UsageError: If the folder is missing or has no such parts.

    Example:
        >>> from pathlib import Path
        >>> check_dataset(Path("walls"))
        DatasetReport('walls', 4 samples, no findings)
    """
    pairs, findings = find_pairs(folder)
    examined: list[ExaminedPair] = []
    for done, pair in enumerate(pairs, start=1):
        item, item_findings = examine_pair(folder, pair)
        findings += item_findings
        if item is not None:
            examined.append(item)
        if progress is not None:
            progress(Progress(done, len(pairs)))
    copies = _find_copies(folder, examined)
    findings += [_describe(folder, examined, copy) for copy in copies]
    findings += _same_masks(examined, {(copy.first, copy.second) for copy in copies})
    findings += _unclear_void(examined, findings)
    report = DatasetReport(folder, pairs, tuple(examined), tuple(findings))
    return dataclasses.replace(report, findings=(*report.findings, *_labels_off(report)))


def _labels_off(report: DatasetReport) -> list[Finding]:
    """Return findings for labels that do not stand out from their surroundings."""
    partners = {pair.mask: pair.image for pair in report.pairs}
    text = "the label differs from its surroundings by {:.2f} standard deviations; check that it belongs to this image"
    return [
        Finding("label-off", (path, partners[path]), text.format(contrast))
        for path, contrast in report.contrasts.items()
        if -_CLEAR_CONTRAST < contrast < LEAST_CONTRAST
    ]


def _find_copies(folder: Path, examined: Sequence[ExaminedPair]) -> list[Duplicate]:
    """Find the pairs of equal or nearly equal images.

    Of equal files, only the first is compared with other images.
    """
    firsts: dict[bytes, int] = {}
    copies = []
    for place, item in enumerate(examined):
        first = firsts.setdefault(item.image_digest, place)
        if first != place:
            copies.append(Duplicate(first, place, 0, Match(1.0, (0, 0), same=True)))
    places = list(firsts.values())
    if places:
        thumbnails = np.stack([examined[place].thumbnail for place in places])
        duplicates = find_duplicates(thumbnails, lambda index: read_image(folder / examined[places[index]].pair.image))
        copies += [
            dataclasses.replace(item, first=places[item.first], second=places[item.second]) for item in duplicates
        ]
    return copies


def _describe(folder: Path, examined: Sequence[ExaminedPair], copy: Duplicate) -> Finding:
    one, other = examined[copy.first].pair, examined[copy.second].pair
    kind = ("same-image" if copy.match.same else "near-image") + ("" if one.split == other.split else "-across")
    what = "the same image" if copy.match.same else f"nearly the same image (correlation {copy.match.correlation:.2f})"
    parts = [what, describe_turn(copy.turn)]
    if any(copy.match.shift):
        parts.append("shifted by {:.0f} rows and {:.0f} columns".format(*copy.match.shift))
    agreement = _label_iou(folder, one, other, copy)
    if agreement is not None:
        parts.append(f"the two masks have an IoU of {agreement:.2f}")
    return Finding(kind, (one.image, other.image), ", ".join(part for part in parts if part))


def _label_iou(folder: Path, one: Pair, other: Pair, copy: Duplicate) -> float | None:
    """Return the IoU of the aligned masks of two copies.

    The result is None if the sizes differ or both masks are empty.
    """
    first = read_mask(folder / one.mask)
    second = turn_image(mask_pixels(read_mask(folder / other.mask)), copy.turn) > 0
    if first.shape != second.shape:
        return None
    rows, cols = (round(step) for step in copy.match.shift)
    mine, theirs = crop_overlap(first, second, (rows, cols))
    either = int(np.count_nonzero(mine | theirs))
    return int(np.count_nonzero(mine & theirs)) / either if either else None


def _unclear_void(examined: Sequence[ExaminedPair], findings: Sequence[Finding]) -> list[Finding]:
    """Return findings for masks in which 255 may mark void pixels."""
    void = [finding.files[0] for finding in findings if finding.kind == "void-mask"]
    if not void:
        return []
    text = f"its 255 is read as crack, but 255 is void in {display_text(void[0])}"
    return [Finding("void-unclear", (item.pair.mask,), text) for item in examined if item.full_scale]


def _same_masks(examined: Sequence[ExaminedPair], copies: set[tuple[int, int]]) -> list[Finding]:
    """Return findings for masks that several different images share."""
    firsts: dict[tuple[tuple[int, int], bytes], int] = {}
    findings = []
    for place, item in enumerate(examined):
        if item.sums.crack_px < _LEAST_MASK_PX:
            continue
        first = firsts.setdefault((item.shape, item.mask_digest), place)
        if first != place and (first, place) not in copies:
            text = f"the same {item.sums.crack_px} crack pixels for two different images"
            findings.append(Finding("same-mask", (examined[first].pair.mask, item.pair.mask), text))
    return findings
