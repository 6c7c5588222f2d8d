"""Print the branch coverage of each package and fail below the least allowed share.

    python .ci/coverage.py coverage.json

The file is that of `coverage json`. The exit code is 1 if `crackseg` and `data_gen` together fall below the limit.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

LEAST_BRANCHES = 0.92


def package_of(file: str) -> str:
    """Return the package of a module, such as ``crackseg/labels``."""
    parts = Path(file).parts
    return "/".join(parts[:-1][:2])


def share(covered: int, total: int) -> float:
    """Return a share in [0, 1], or 1 for nothing to cover."""
    return covered / total if total else 1.0


def main(path: Path) -> int:
    """Print the table; return 1 if too few branches are covered."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for file, entry in json.loads(path.read_text(encoding="utf-8"))["files"].items():
        if Path(file).is_absolute():  # a copy of the package that a test made outside this tree
            continue
        summary = entry["summary"]
        keys = ("covered_lines", "num_statements", "covered_branches", "num_branches")
        for name in (package_of(file), "total"):
            counts[name] = [old + summary[key] for old, key in zip(counts[name], keys, strict=True)]
    print(f"{'package':24}{'lines':>9}{'branches':>10}{'of':>7}")
    for name in sorted(counts, key=lambda name: (name == "total", name)):
        lines, statements, branches, all_branches = counts[name]
        print(f"{name:24}{share(lines, statements):9.1%}{share(branches, all_branches):10.1%}{all_branches:7d}")
    reached = share(*counts["total"][2:])
    if reached < LEAST_BRANCHES:
        print(f"branch coverage {reached:.1%} is below {LEAST_BRANCHES:.0%}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
