"""Hold the progress and the result of an inspection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from crackseg.errors import display_text
from crackseg.inspection.records import STATUSES, Verdict
from crackseg.inspection.store import read_records
from crackseg.inspection.tables import table_row
from crackseg.parallel import Progress


@dataclass(frozen=True)
class InspectionProgress(Progress):
    """Number of files that have a row, of all files.

    Attributes:
        counts: Number of files by status and by verdict, those of earlier runs included.
    """

    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InspectionResult:
    """Result of an inspection; a row for each file is in the output folder.

    Attributes:
        output: Folder of the results.
        files: Number of files in the inspected folder.
        inspected: Number of files inspected by this call; the others had a valid row.
        counts: Number of files by status and by verdict.
        failures: Name and message of each file that failed.
        unlabelled: Name and message of each image whose labels could not be written.
        gone: Number of rows whose file no longer exists.
        notes: Remarks for the user that hold for the whole run.
        interrupted: Whether the inspection was stopped before its end.
        model: Name of the model.
        terms: Terms of use of the model, from its card; empty if no file has needed the model.
    """

    output: Path
    files: int
    inspected: int
    counts: Mapping[str, int]
    failures: Sequence[tuple[str, str]] = ()
    unlabelled: Sequence[tuple[str, str]] = ()
    gone: int = 0
    notes: Sequence[str] = ()
    interrupted: bool = False
    model: str = ""
    terms: str = ""

    def __repr__(self) -> str:
        names = (*get_args(Verdict), "failed", "skipped")
        counts = [f"{self.counts[name]} {name}" for name in names if self.counts.get(name)]
        state = ", interrupted" if self.interrupted else ""
        text = ", ".join([f"{self.files} files", *counts]).replace(",", ":", 1)
        return f"InspectionResult({display_text(self.output)!r}, {text}{state})"

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as a JSON object."""
        return {
            "output": display_text(self.output),
            "model": self.model,
            "terms": self.terms,
            "files": self.files,
            "inspected": self.inspected,
            "unlabelled": len(self.unlabelled),
            "gone": self.gone,
            "notes": list(self.notes),
            "interrupted": self.interrupted,
            "status": {name: self.counts.get(name, 0) for name in STATUSES},
            "verdict": {name: self.counts.get(name, 0) for name in get_args(Verdict)},
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of results.csv, ready for a data frame.

        Raises:
            OutputError: If the results database cannot be read.
        """
        return [table_row(record) for record in read_records(self.output / "results.sqlite")]
