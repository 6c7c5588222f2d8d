"""Measure peak memory and time of `crackseg predict` on a tiled TIFF of 30000x30000 px.

    python benchmarks/predict_huge.py [--side 30000] [--rows 30000] [--folder DIR] [-- OPTIONS OF crackseg predict]

The image is a generated wall, mirrored repeatedly, with one crack drawn from corner to corner. `crackseg predict`
streams it in a separate process, whose largest resident memory the operating system reports. The script also checks
that the crack is joined across all bands. Aim: at most 1.5 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

import data_gen
from crackseg.imaging.tiff import TiffWriter

PATCH_PX = 2000


def write_wall(path: Path, rows: int, cols: int) -> None:
    patch = cv2.cvtColor(
        data_gen.generate_sample(data_gen.Recipe(size=PATCH_PX), seed=1, index=0).image, cv2.COLOR_RGB2GRAY
    )
    line = np.concatenate([patch, patch[:, ::-1]], axis=1)
    line = np.tile(line, (1, -(-cols // line.shape[1])))[:, :cols]
    with path.open("w+b") as file, TiffWriter(file, (rows, cols), np.uint8) as writer:
        for row in range(0, rows, PATCH_PX):
            band = np.ascontiguousarray(line if row // PATCH_PX % 2 == 0 else line[::-1])[: rows - row].copy()
            begin, end = (int(place * cols / rows) for place in (row, row + PATCH_PX))
            cv2.line(band, (begin, 0), (end, PATCH_PX), 30, 9)
            writer.write(band)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=30000)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("options", nargs="*")
    options = parser.parse_args()
    rows = options.rows or options.side
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        image, out = Path(folder) / "deck.tif", Path(folder) / "out"
        write_wall(image, rows, options.side)
        print(f"{rows}x{options.side} px, {image.stat().st_size / 1e6:.0f} MB on disk", flush=True)
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "crackseg", "predict", str(image), "-o", str(out), "-v", *options.options]
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - start
        result = json.loads((out / "deck.json").read_text(encoding="utf-8"))
        for path in sorted(out.iterdir()):
            print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    largest = max(result["cracks"], key=lambda crack: crack["length_px"])
    print(
        f"exit {process.returncode}, {wall_s:.0f} s on the wall, {usage.ru_utime + usage.ru_stime:.0f} s of processor"
    )
    print(f"peak memory {usage.ru_maxrss * 1024 / 1e9:.2f} GB (aim 1.5)")
    print(f"{len(result['cracks'])} components; the longest: {largest['length_px']:.0f} px, box {largest['box']}")


if __name__ == "__main__":
    main()
