"""What the doctor found, in lines of text."""

from __future__ import annotations

from crackseg.datasets.check import DatasetReport
from crackseg.datasets.findings import TITLES, Finding, Severity, group_by_kind
from crackseg.errors import display_text

_SHOWN = 5
BAR = 30
"""Signs in the longest bar of the histogram."""


def summarise(report: DatasetReport, *, shown: int = _SHOWN) -> list[str]:
    """Return the report as lines: samples, labels, then findings, the worst first.

    Args:
        report: The report.
        shown: Findings of each kind to list.
    """
    lines = [*describe_samples(report), ""]
    lines += [f"{label:>12}  {count:>6}  {bar}" for label, count, bar in histogram(report)]
    for kind, findings in group_by_kind(report.findings).items():
        lines += ["", f"{findings[0].severity.name.lower()}: {TITLES[kind]} ({len(findings)})"]
        lines += [f"  {describe_finding(finding)}" for finding in findings[:shown]]
        if len(findings) > shown:
            lines.append(f"  ... and {len(findings) - shown} more; --json or --html lists them")
    return [*lines, "", verdict(report)]


def describe_samples(report: DatasetReport) -> list[str]:
    """Return how many samples there are, of which size, and what their labels amount to."""
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
        f"shifted by 1 px they agree with themselves to IoU {sums.shift_iou:.3f} (F1 {f1:.3f}): "
        "a ceiling for scores, where labels are sure to a pixel"
    )
    return lines


def histogram(report: DatasetReport) -> list[tuple[str, int, str]]:
    """Return the histogram of crack fractions: its bins as text, their counts, and a bar of at most 30 signs."""
    most = max((count for _, _, count in report.fractions), default=0)
    rows = []
    for above, upto, count in report.fractions:
        label = "no crack" if upto == 0 else f"{100 * above:g} - {100 * upto:g} %"
        rows.append((label, count, "#" * -(-BAR * count // most) if most else ""))
    return rows


def describe_finding(finding: Finding) -> str:
    """Return a finding as one line."""
    return f"{' ~ '.join(display_text(path) for path in finding.files)}: {finding.text}"


def verdict(report: DatasetReport) -> str:
    """Return how many findings of each severity there are, in one line."""
    counts = [(report.count(severity), severity.name.lower()) for severity in Severity]
    named = [f"{count} {name}{'s' if count != 1 else ''}" for count, name in counts if count]
    return ", ".join(named) if named else "nothing wrong found"
