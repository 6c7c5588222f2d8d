"""Check every data folder in a folder, for the tables of docs/datasets.md.

python experiments/datasets.py DATA > findings.md
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from crackseg.datasets.check import DatasetReport, check_dataset
from crackseg.datasets.check_text import describe_finding
from crackseg.datasets.findings import TITLES, group_by_kind

SHOWN = 4
HEAD = (
    "| set | samples | crack % | masks without crack | mean width px | IoU at 1 px | F1 at 1 px | errors | warnings |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def row(name: str, report: DatasetReport) -> str:
    sums = report.sums
    iou, width = sums.shift_iou, sums.width_mean_px
    summary = report.to_dict()
    splits = " + ".join(f"{count} {split}" for split, count in report.splits.items())
    cells = [
        name,
        splits,
        f"{100 * (sums.crack_fraction or 0):.2f}",
        f"{report.fractions[0][2]}",
        "-" if width is None else f"{width:.1f}",
        "-" if iou is None else f"{iou:.3f}",
        "-" if iou is None else f"{2 * iou / (1 + iou):.3f}",
        f"{summary['errors']}",
        f"{summary['warnings']}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    folders = sorted(folder for folder in parser.parse_args().data.iterdir() if folder.is_dir())
    reports = {folder.name: check_dataset(folder) for folder in folders}
    print(HEAD)
    for name, report in reports.items():
        print(row(name, report))
    total: Counter[str] = Counter()
    for name, report in reports.items():
        print(f"\n## {name}\n")
        for kind, findings in group_by_kind(report.findings).items():
            total[kind] += len(findings)
            print(f"- {findings[0].severity.name.lower()}: {TITLES[kind]}: {len(findings)}")
            print("\n".join(f"  - {describe_finding(finding)}" for finding in findings[:SHOWN]))
    print(f"\n{dict(total)}")


if __name__ == "__main__":
    main()
