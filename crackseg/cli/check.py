"""Declare ``crackseg check``."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from crackseg.cli.command import Command, PathInput, Positional, as_function, as_path, option
from crackseg.errors import EXIT_DONE, EXIT_SOME_FAILED, display_text

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.datasets.check import DatasetReport
    from crackseg.datasets.repair import Change


@dataclass(frozen=True)
class CheckedData:
    """Findings of a data-set check, and the files written from them.

    Attributes:
        report: The findings.
        html: Page with thumbnails, if one was written.
        fixed: Corrected copy, if one was written.
        changes: Files of the copy that differ from the original or are missing.
    """

    report: "DatasetReport"
    html: Path | None
    fixed: Path | None
    changes: "tuple[Change, ...]"

    def __repr__(self) -> str:
        return (
            f"CheckedData('{display_text(self.report.folder)}', {len(self.report.pairs)} images, "
            f"{len(self.report.findings)} findings)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        values: dict[str, Any] = self.report.to_dict()
        if self.html is not None:
            values["page"] = display_text(self.html)
        if self.fixed is not None:
            values |= {"fixed": display_text(self.fixed), "changes": [change.to_dict() for change in self.changes]}
        return values

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary for each finding."""
        return [finding.to_dict() for finding in self.report.findings]


@dataclass(frozen=True)
class Check(Command[CheckedData]):
    """Check a folder of images and masks for errors.

    Accepts DIR/{images,masks}, DIR/{train,val,test}/{images,masks} and folders written by crackseg generate. Nothing in
    DIR is changed. The exit code is 1 if there is an error.

    Example:
        >>> import crackseg
        >>> walls = crackseg.generate("walls", count=2, size=64)
        >>> crackseg.check("walls")
        CheckedData('walls', 2 images, 0 findings)
    """

    folder: Annotated[PathInput, Positional("DIR", "Data folder.")]
    _: KW_ONLY
    html: Annotated[
        PathInput | None, option("--html", metavar="FILE", help="Also write a page with thumbnails.", group="Output")
    ] = None
    fix: Annotated[
        PathInput | None, option("--fix", metavar="OUT", help="Also write a corrected copy to OUT.", group="Output")
    ] = None
    examples = ("crackseg check walls --html walls.html --fix walls_fixed",)

    def run(self) -> CheckedData:
        """Check the folder, and write the page and the copy."""
        from crackseg.datasets.check import check_dataset
        from crackseg.datasets.check_html import build_check_page
        from crackseg.datasets.repair import check_output, write_corrected
        from crackseg.files import make_folder, write_bytes

        folder, html, fixed = Path(self.folder), as_path(self.html), as_path(self.fix)
        if fixed is not None:
            check_output(folder, fixed)
        rounds = 1 if fixed is None else 2
        report = check_dataset(folder, progress=lambda step: self.advance(step.fraction, rounds))
        if html is not None:
            make_folder(html.resolve().parent)
            write_bytes(html, build_check_page(report).encode("utf-8"))
        changes: tuple[Change, ...] = ()
        if fixed is not None:
            changes = tuple(
                write_corrected(report, fixed, progress=lambda step: self.advance(1 + step.fraction, rounds))
            )
        return CheckedData(report, html, fixed, changes)

    def show(self, result: CheckedData, console: "Console") -> int:
        """Print the findings and the files written."""
        from crackseg.datasets.check_text import summarise
        from crackseg.datasets.findings import Severity

        lines = [*summarise(result.report)]
        if result.html is not None:
            lines.append(f"page: {display_text(result.html)}")
        if result.fixed is not None:
            out = sum(change.action == "left out" for change in result.changes)
            lines.append(
                f"corrected copy: {display_text(result.fixed)}, {len(result.changes) - out} files rewritten, "
                f"{out} left out; changes.json gives the reasons"
            )
        console.result(result.to_dict(), "\n".join(lines))
        return EXIT_SOME_FAILED if result.report.count(Severity.ERROR) else EXIT_DONE


check = as_function(Check)
