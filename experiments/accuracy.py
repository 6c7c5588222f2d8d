"""Score a model on several data sets by every protocol, for docs/accuracy.md.

    python experiments/accuracy.py --model crackseg-mobile --data data/deepcrack256 --data data/cfd \\
        --clean data/bg_concrete_wall --out runs/accuracy

Each set is scored by `crackseg evaluate --protocol all --report OUT/SET`. Sets without cracks (``--clean``) are
scored by protocol native only. Finished scores are kept. The tables are printed at the end and written to
OUT/TABLE.md. The page with the worst images of each set is OUT/SET/evaluation.html.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tables import markdown

from crackseg.files import make_folder, write_bytes

COLUMNS = {
    "native": {
        "F1": "f1", "F1 2 px": "f1_2px", "precision": "precision", "recall": "recall", "F1, mean of images": "f1_mean",
    },
    "centreline": {"clIoU 4 px": "cliou", "clDice": "cldice"},
    "resize512": {"ODS": "ods", "OIS": "ois", "F1": "f1", "mIoU, background averaged in": "miou"},
}  # fmt: skip
CLEAN = {"marked as crack": "false_alarm_clean", "images with a false alarm": "clean_images_alarmed"}


def scored(folder: Path, protocol: str, options: argparse.Namespace) -> dict[str, Any]:
    """Score a set unless its scores exist; return them by protocol."""
    name = folder.resolve().name
    path = options.out / name / "evaluation.json"
    if not path.exists():
        command = ["evaluate", "--model", options.model, "--data", str(folder), "--protocol", protocol]
        print("crackseg", *command, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "crackseg", *command, "--report", str(path.parent)],
            check=False,
            stdout=subprocess.DEVNULL,
        )
        if done.returncode:
            raise SystemExit(done.returncode)
    report = json.loads(path.read_text())
    scores = {key: value["data"][name] for key, value in report["protocols"].items()}
    return {**scores, "images": report["data"][name]["images"]}


def shown(score: dict[str, float | None], *, percent: bool = False) -> str:
    """Return a score with its interval."""
    factor, digits = (100, 2) if percent else (1, 3)
    if score["value"] is None:
        return "-"
    text = f"{factor * score['value']:.{digits}f}" + (" %" if percent else "")
    if score["low"] is None or score["high"] is None:
        return text
    return f"{text} [{factor * score['low']:.{digits}f}, {factor * score['high']:.{digits}f}]"


def tables(scored: dict[str, dict[str, Any]], clean: dict[str, dict[str, Any]]) -> str:
    parts = []
    for protocol, columns in COLUMNS.items() if scored else ():
        rows = [
            [name, str(scores["images"]), *(shown(scores[protocol][key]) for key in columns.values())]
            for name, scores in scored.items()
            if protocol in scores
        ]
        parts.append(f"Protocol {protocol}:\n\n{markdown(['set', 'images', *columns], rows)}")
    if clean:
        rows = [
            [name, str(scores["images"]), *(shown(scores["native"][key], percent=True) for key in CLEAN.values())]
            for name, scores in clean.items()
        ]
        parts.append(f"Without cracks:\n\n{markdown(['set', 'images', *CLEAN], rows)}")
    return "\n\n".join(parts)


def score_all(folders: Sequence[Path], protocol: str, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    return {folder.resolve().name: scored(folder, protocol, options) for folder in folders}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--clean", type=Path, action="append", default=[], help="a set without cracks")
    parser.add_argument(
        "--native", type=Path, action="append", default=[], help="a set to score by protocol native only"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    clean = score_all(options.clean, "native", options)
    native = score_all(options.native, "native", options)
    text = tables({**score_all(options.data, "all", options), **native}, clean)
    write_bytes(make_folder(options.out) / "TABLE.md", (text + "\n").encode())
    print(text)


if __name__ == "__main__":
    main()
