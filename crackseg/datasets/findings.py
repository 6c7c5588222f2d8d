"""Define the findings of a data-set check and their severities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from crackseg.errors import display_text


class Severity(IntEnum):
    """Severity of a finding, worst first."""

    ERROR = 0
    """Training or scores on these files would be wrong."""
    WARNING = 1
    """The file is read by a stated rule; other programs may read it differently."""
    NOTE = 2
    """The finding is worth a look."""


SEVERITIES = {
    "no-mask": Severity.ERROR,
    "no-image": Severity.ERROR,
    "mask-name": Severity.ERROR,
    "same-stem": Severity.ERROR,
    "unreadable-image": Severity.ERROR,
    "unreadable-mask": Severity.ERROR,
    "size-differs": Severity.ERROR,
    "turned": Severity.ERROR,
    "soft-mask": Severity.ERROR,
    "classes": Severity.ERROR,
    "void-unclear": Severity.ERROR,
    "same-mask": Severity.ERROR,
    "same-image-across": Severity.ERROR,
    "near-image-across": Severity.ERROR,
    "jpeg-mask": Severity.WARNING,
    "zero-one": Severity.WARNING,
    "void-mask": Severity.WARNING,
    "deep-mask": Severity.WARNING,
    "palette-mask": Severity.WARNING,
    "colour-mask": Severity.WARNING,
    "mostly-crack": Severity.WARNING,
    "same-image": Severity.WARNING,
    "other-folder": Severity.WARNING,
    "label-off": Severity.NOTE,
    "other-file": Severity.NOTE,
    "deep-image": Severity.NOTE,
    "palette-image": Severity.NOTE,
    "near-image": Severity.NOTE,
    "empty-mask": Severity.NOTE,
}
"""Severity of every kind of finding, worst first."""

TITLES = {
    "no-mask": "images without a mask",
    "no-image": "masks without an image",
    "mask-name": "masks that are not named like their image",
    "same-stem": "files that share a stem",
    "unreadable-image": "images that cannot be read",
    "unreadable-mask": "masks that cannot be read",
    "size-differs": "masks whose size differs from the image",
    "turned": "EXIF orientations of image and mask that differ",
    "soft-mask": "masks with values between 0 and 255",
    "classes": "masks with more classes than crack and background",
    "void-unclear": "masks of 0 and 255 next to masks with void pixels",
    "same-mask": "one mask for different images",
    "same-image-across": "the same image in two splits",
    "near-image-across": "nearly the same image in two splits",
    "jpeg-mask": "masks stored as JPEG",
    "zero-one": "masks of 0 and 1",
    "void-mask": "masks with void pixels",
    "deep-mask": "masks of more than 8 bits",
    "palette-mask": "masks with a palette",
    "colour-mask": "masks in colour",
    "mostly-crack": "masks that are mostly crack, perhaps inverted",
    "same-image": "the same image twice in a split",
    "other-folder": "folders that are not checked",
    "label-off": "labels that do not stand out, perhaps of another image",
    "other-file": "files without the suffix of an image",
    "deep-image": "images of more than 8 bits",
    "palette-image": "images with a palette",
    "near-image": "nearly the same image twice in a split",
    "empty-mask": "empty masks",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check.

    Attributes:
        kind: Kind of the finding, a key of `SEVERITIES`.
        files: Files concerned, relative to the data folder.
        text: Description of the finding.

    Example:
        >>> Finding("no-mask", (Path("images/wall.png"),), "has no mask").severity.name
        'ERROR'
    """

    kind: str
    files: tuple[Path, ...]
    text: str

    @property
    def severity(self) -> Severity:
        """Severity of the kind."""
        return SEVERITIES[self.kind]

    def to_dict(self) -> dict[str, Any]:
        """Return the finding ready for JSON."""
        return {
            "severity": self.severity.name.lower(),
            "kind": self.kind,
            "files": [display_text(path) for path in self.files],
            "text": self.text,
        }


def count_findings(findings: Sequence[Finding]) -> str:
    """Format the number of findings of each severity.

    Example:
        >>> missing = Finding("no-mask", (Path("images/wall.png"),), "has no mask")
        >>> count_findings([missing, missing]), count_findings([])
        ('2 errors', 'no findings')
    """
    severities = [finding.severity for finding in findings]
    counts = {severity.name.lower(): severities.count(severity) for severity in Severity}
    return ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items() if count) or "no findings"


def group_by_kind(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Group findings by kind, worst first."""
    return {
        kind: members for kind in SEVERITIES if (members := [finding for finding in findings if finding.kind == kind])
    }
