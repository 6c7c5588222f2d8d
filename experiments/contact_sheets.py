"""Draw the contact sheets of docs/generate.md.

    python experiments/contact_sheets.py [--only NAME ...]

Each sheet has ten samples of one recipe, 256x256 px as generated. Below each sample stands its true mask as an
outline, with the boxes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from crackseg.config import load_config
from crackseg.files import make_folder, write_bytes
from crackseg.imaging.drawing import draw_boxes
from data_gen import Recipe, generate_sample

ROOT = Path(__file__).resolve().parents[1]
SIDE, COLUMNS, SEED = 256, 5, 21
LARGEST_BYTES = 400_000


def write_sheet(recipe: Recipe, path: Path) -> None:
    """Write ten samples and their true masks as one JPEG."""
    rows = []
    for first in (0, COLUMNS):
        samples = [generate_sample(recipe, seed=SEED, index=first + column) for column in range(COLUMNS)]
        rows.append(np.hstack([sample.image for sample in samples]))
        rows.append(np.hstack([draw_boxes(s.image, s.mask, [crack.box for crack in s.cracks]) for s in samples]))
    sheet = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    for quality in range(88, 30, -4):
        data = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= LARGEST_BYTES:
            break
    write_bytes(path, data)
    print(f"{path.relative_to(ROOT)}: {len(data):,} bytes, quality {quality}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    target = make_folder(ROOT / "docs" / "generate")
    for path in sorted((ROOT / "configs" / "generate").glob("*.yaml")):
        if not options.only or path.stem in options.only:
            write_sheet(load_config(Recipe, path, overrides=[f"size={SIDE}"]), target / f"{path.stem}.jpg")


if __name__ == "__main__":
    main()
