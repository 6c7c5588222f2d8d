"""The whole examination: every pair, then the data set as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crackseg.datasets.duplicates import Duplicate, find_duplicates
from crackseg.datasets.examination import ExaminedPair, examine_pair
from crackseg.datasets.findings import Finding, Severity, group_by_kind
from crackseg.datasets.fingerprint import Match, crop_overlap, describe_turn, turn_image
from crackseg.datasets.label_statistics import LabelSums, count_fractions
from crackseg.datasets.pairs import Pair, find_pairs
from crackseg.errors import display_text
from crackseg.imaging.codec import mask_pixels, read_image, read_mask
from crackseg.parallel import Progress, ProgressCallback

LEAST_CONTRAST = 0.1
"""Labels that stand out less from their surroundings may be another picture's."""

_CLEAR_CONTRAST = 1.0
"""Labels that stand out more to the side to which most do not lie on something, if not on a crack."""

_LEAST_MASK_PX = 30
"""Masks of fewer crack pixels may be equal by chance."""


@dataclass(frozen=True, slots=True, eq=False)
class DatasetReport:
    """What the doctor found in a data folder.

    Attributes:
        folder: The data folder.
        pairs: Its images with their masks.
        examined: Those that could be read and fit.
        findings: What is wrong, or worth knowing.
    """

    folder: Path
    pairs: tuple[Pair, ...]
    examined: tuple[ExaminedPair, ...]
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """Return how many findings are that bad."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def splits(self) -> dict[str, int]:
        """How many pairs each part holds; a folder without parts is one, called ``all``."""
        names = [pair.split or "all" for pair in self.pairs]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    @property
    def shapes(self) -> dict[tuple[int, int], int]:
        """How many images have each height and width, the most frequent first."""
        shapes = [item.shape for item in self.examined]
        return dict(sorted(((shape, shapes.count(shape)) for shape in set(shapes)), key=lambda item: (-item[1], item)))

    @property
    def sums(self) -> LabelSums:
        """The sums of all masks."""
        return sum((item.sums for item in self.examined), LabelSums())

    @property
    def fractions(self) -> list[tuple[float, float, int]]:
        """Histogram of the crack fractions; see `count_fractions`."""
        return count_fractions([item.sums.crack_fraction or 0.0 for item in self.examined])

    @property
    def contrasts(self) -> dict[Path, float]:
        """By mask how far its label stands out to the side, dark or light, to which most labels of the set do."""
        found = {item.pair.mask: item.contrast for item in self.examined if item.contrast is not None}
        side = -1.0 if found and float(np.median(list(found.values()))) < 0 else 1.0
        return {path: side * contrast for path, contrast in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
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


def check_dataset(folder: Path, *, progress: ProgressCallback | None = None) -> DatasetReport:
    """Examine a data folder; nothing in it is changed.

    Args:
        folder: ``DIR/{images,masks}`` or ``DIR/{train,val,test}/{images,masks}``.
        progress: Called after each pair; the unit is pairs.

    Raises:
        UsageError: If the folder is missing or has no such parts.
    """
    pairs, findings = find_pairs(folder)
    examined: list[ExaminedPair] = []
    for done, pair in enumerate(pairs, start=1):
        found, more = examine_pair(folder, pair)
        findings += more
        if found is not None:
            examined.append(found)
        if progress is not None:
            progress(Progress(done, len(pairs)))
    alike = _same_pictures(folder, examined)
    findings += [_describe(folder, examined, found) for found in alike]
    findings += _same_masks(examined, {(found.first, found.second) for found in alike})
    judged = DatasetReport(folder, pairs, tuple(examined), tuple(findings))
    return dataclasses.replace(judged, findings=(*judged.findings, *_labels_off(judged)))


def _labels_off(report: DatasetReport) -> list[Finding]:
    """Return the labels that do not stand out from what is around them."""
    partners = {pair.mask: pair.image for pair in report.pairs}
    text = "stands out by {:.2f} deviations of its surroundings; does the label belong here?"
    return [
        Finding("label-off", (path, partners[path]), text.format(contrast))
        for path, contrast in report.contrasts.items()
        if -_CLEAR_CONTRAST < contrast < LEAST_CONTRAST
    ]


def _same_pictures(folder: Path, examined: Sequence[ExaminedPair]) -> list[Duplicate]:
    """Return the pairs of pictures that show the same; of equal files only the first is compared with others."""
    firsts: dict[bytes, int] = {}
    alike = []
    for place, item in enumerate(examined):
        first = firsts.setdefault(item.image_digest, place)
        if first != place:
            alike.append(Duplicate(first, place, 0, Match(1.0, (0, 0), same=True)))
    places = list(firsts.values())
    if places:
        thumbnails = np.stack([examined[place].thumbnail for place in places])
        found = find_duplicates(thumbnails, lambda index: read_image(folder / examined[places[index]].pair.image))
        alike += [dataclasses.replace(item, first=places[item.first], second=places[item.second]) for item in found]
    return alike


def _describe(folder: Path, examined: Sequence[ExaminedPair], found: Duplicate) -> Finding:
    one, other = examined[found.first].pair, examined[found.second].pair
    kind = ("same-image" if found.match.same else "near-image") + ("" if one.split == other.split else "-across")
    what = (
        "the same picture"
        if found.match.same
        else f"nearly the same picture (correlation {found.match.correlation:.2f})"
    )
    parts = [what, describe_turn(found.turn)]
    if any(found.match.shift):
        parts.append("shifted by {:.0f} rows and {:.0f} columns".format(*found.match.shift))
    agreement = _label_iou(folder, one, other, found)
    if agreement is not None:
        parts.append(f"the two labels agree to IoU {agreement:.2f}")
    return Finding(kind, (one.image, other.image), ", ".join(part for part in parts if part))


def _label_iou(folder: Path, one: Pair, other: Pair, found: Duplicate) -> float | None:
    """Return how well the masks of two like pictures agree once laid over each other; None if both are empty."""
    first = read_mask(folder / one.mask)
    second = turn_image(mask_pixels(read_mask(folder / other.mask)), found.turn) > 0
    if first.shape != second.shape:
        return None
    rows, cols = (round(step) for step in found.match.shift)
    mine, theirs = crop_overlap(first, second, (rows, cols))
    either = int(np.count_nonzero(mine | theirs))
    return int(np.count_nonzero(mine & theirs)) / either if either else None


def _same_masks(examined: Sequence[ExaminedPair], alike: set[tuple[int, int]]) -> list[Finding]:
    """Return masks that serve several pictures which do not show the same."""
    firsts: dict[tuple[tuple[int, int], bytes], int] = {}
    findings = []
    for place, item in enumerate(examined):
        if item.sums.crack_px < _LEAST_MASK_PX:
            continue
        first = firsts.setdefault((item.shape, item.mask_digest), place)
        if first != place and (first, place) not in alike:
            text = f"the same {item.sums.crack_px} crack pixels for two different pictures"
            findings.append(Finding("same-mask", (examined[first].pair.mask, item.pair.mask), text))
    return findings
