"""Format the check of a data set as lines of text."""

from __future__ import annotations

from crackseg.datasets.check import DatasetReport
from crackseg.datasets.findings import TITLES, Finding, count_findings, group_by_kind
from crackseg.errors import display_text

_SHOWN = 5
BAR = 30
"""Characters in the longest bar of the histogram."""


def summarise(report: DatasetReport, *, shown: int = _SHOWN) -> list[str]:
    """Format a report as lines: samples, labels, then findings, worst first.

    Args:
        report: The report.
        shown: Number of findings of each kind to list.

    Example:
        >>> from pathlib import Path
        >>> from crackseg.datasets.check import check_dataset
        >>> summarise(check_dataset(Path("walls")))[0]
        'walls: 4 samples (all 4), 128x96'
    """
    lines = [*describe_samples(report), ""]
    lines += [f"{label:>12}  {count:>6}  {bar}" for label, count, bar in histogram(report)]
    for kind, findings in group_by_kind(report.findings).items():
        lines += ["", f"{findings[0].severity.name.lower()}: {TITLES[kind]} ({len(findings)})"]
        lines += [f"  {describe_finding(finding)}" for finding in findings[:shown]]
        if len(findings) > shown:
            lines.append(f"  ... and {len(findings) - shown} more; --json or --html lists them")
    return [*lines, "", count_findings(report.findings)]


def describe_samples(report: DatasetReport) -> list[str]:
    """Describe the number and sizes of samples, and their labels."""
    splits = ", ".join(f"{name} {count}" for name, count in report.splits.items())
    shapes = [f"{width}x{height}" for height, width in report.shapes]
    sizes = ", ".join(shapes[:3]) + (f" and {len(shapes) - 3} other sizes" if len(shapes) > 3 else "")
    lines = [f"{display_text(report.folder)}: {len(report.pairs)} samples ({splits}), {sizes or 'none readable'}"]
    sums = report.sums
    if sums.crack_fraction is None or sums.shift_iou is None or sums.width_mean_px is None:
        return [*lines, "labels: no crack in any mask"] if report.examined else lines
    f1 = 2 * sums.shift_iou / (1 + sums.shift_iou)
    lines.append(f"labels: {100 * sums.crack_fraction:.2f} % crack, mean width {sums.width_mean_px:.1f} px")
    lines.append(
        f"labels shifted by 1 px: IoU {sums.shift_iou:.3f}, F1 {f1:.3f} with the labels themselves; "
        "the limit of scores where labels are accurate to 1 px"
    )
    return lines


def histogram(report: DatasetReport) -> list[tuple[str, int, str]]:
    """Format the histogram of crack fractions.

    Returns:
        Label, count and bar of each bin; the longest bar has 30 characters.
    """
    most = max((count for _, _, count in report.fractions), default=0)
    rows = []
    for above, up_to, count in report.fractions:
        label = "no crack" if up_to == 0 else f"{100 * above:g} - {100 * up_to:g} %"
        rows.append((label, count, "#" * -(-BAR * count // most) if most else ""))
    return rows


def describe_finding(finding: Finding) -> str:
    """Format a finding as one line."""
    return f"{' ~ '.join(display_text(path) for path in finding.files)}: {finding.text}"
