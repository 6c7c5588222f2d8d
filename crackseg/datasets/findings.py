"""What the doctor can find, and how bad it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from crackseg.errors import display_text


class Severity(IntEnum):
    """How bad a finding is, the worst first."""

    ERROR = 0
    """A training or a score on these files would be wrong."""
    WARNING = 1
    """Read here by a stated rule; other programs may read it otherwise, or it wastes work."""
    NOTE = 2
    """Worth knowing."""


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
    "same-mask": Severity.ERROR,
    "same-image-across": Severity.ERROR,
    "near-image-across": Severity.ERROR,
    "jpeg-mask": Severity.WARNING,
    "zero-one": Severity.WARNING,
    "deep-mask": Severity.WARNING,
    "palette-mask": Severity.WARNING,
    "colour-mask": Severity.WARNING,
    "mostly-crack": Severity.WARNING,
    "same-image": Severity.WARNING,
    "label-off": Severity.NOTE,
    "other-file": Severity.NOTE,
    "deep-image": Severity.NOTE,
    "palette-image": Severity.NOTE,
    "near-image": Severity.NOTE,
    "empty-mask": Severity.NOTE,
}
"""Every kind of finding, the worst first."""

TITLES = {
    "no-mask": "images without a mask",
    "no-image": "masks without an image",
    "mask-name": "masks that are not named like their image",
    "same-stem": "files that share a stem",
    "unreadable-image": "images that cannot be read",
    "unreadable-mask": "masks that cannot be read",
    "size-differs": "masks of another size than their image",
    "turned": "EXIF orientation on one side only",
    "soft-mask": "masks with values between 0 and 255",
    "classes": "masks with more classes than crack and background",
    "same-mask": "one mask for different images",
    "same-image-across": "one image in two splits",
    "near-image-across": "nearly one image in two splits",
    "jpeg-mask": "masks stored as JPEG",
    "zero-one": "masks of 0 and 1",
    "deep-mask": "masks of more than 8 bits",
    "palette-mask": "masks with a palette",
    "colour-mask": "masks in colour",
    "mostly-crack": "masks that are mostly crack: inverted?",
    "same-image": "one image twice in a split",
    "label-off": "labels that lie on nothing in particular: another image's?",
    "other-file": "files that are no images by their suffix",
    "deep-image": "images of more than 8 bits",
    "palette-image": "images with a palette",
    "near-image": "nearly one image twice in a split",
    "empty-mask": "empty masks",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: One of `SEVERITIES`.
        files: The files it is about, relative to the data folder.
        text: What exactly.
    """

    kind: str
    files: tuple[Path, ...]
    text: str

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return SEVERITIES[self.kind]

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "severity": self.severity.name.lower(),
            "kind": self.kind,
            "files": [display_text(path) for path in self.files],
            "text": self.text,
        }


def group_by_kind(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Group findings by kind, the worst first."""
    return {
        kind: members for kind in SEVERITIES if (members := [finding for finding in findings if finding.kind == kind])
    }
