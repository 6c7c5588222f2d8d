"""The result of a generation run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crackseg.errors import display_text
from crackseg.generation.journal import MANIFEST, Record
from crackseg.imaging.codec import read_file


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """Folder of generated samples.

    Attributes:
        output: Folder that was written.
        count: Number of samples in it.
        seed: Random seed of the samples.
        skipped: One line for each asset that could not be used.
    """

    output: Path
    count: int
    seed: int
    skipped: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"GenerationResult({display_text(self.output)!r}, {self.count} samples, seed {self.seed})"

    @property
    def preview(self) -> Path:
        """Path of the contact sheet of the first samples."""
        return self.output / "preview.png"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return {
            "output": display_text(self.output),
            "count": self.count,
            "seed": self.seed,
            "skipped": list(self.skipped),
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row for each sample, read from the manifest.

        Raises:
            UsageError: If the manifest is gone.
            ImageError: If the manifest cannot be read.
        """
        return [_row(json.loads(line)) for line in read_file(self.output / MANIFEST).splitlines()]

    def _repr_png_(self) -> bytes:
        return self.preview.read_bytes()


def _row(record: Record) -> dict[str, Any]:
    cracks = record["cracks"]
    return {
        **{key: record[key] for key in ("index", "seed", "image", "mask", "surface")},
        "crack_count": len(cracks),
        "length_px": sum(crack["length_px"] for crack in cracks),
        "width_max_px": max((crack["width_max_px"] for crack in cracks), default=0.0),
        "mask_px": sum(crack["mask_px"] for crack in cracks),
        "noise_count": sum(record["noise"].values()),
        "confounder_count": len(record["confounders"]),
    }
