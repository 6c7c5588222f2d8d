"""Measure peak memory and time of prediction against the size of the image.

    python benchmarks/predict_memory.py [--sides 256 512 ...] [--precision bf16] [--memory GIB] [--plot FILE]

Each size runs in a new process. It loads the model, warms up on a crop of 512 px, then predicts a generated wall of
that size. The operating system reports its largest resident memory. Sizes above 179 million pixels are a tiled TIFF
and are streamed. Processor seconds (user and system) stand next to wall seconds: they hold on a shared machine. Aim:
a flat time per pixel from 256 to 16384 px, within a factor that `read` over `written` explains.

`--tile-memory` prints the value behind `crackseg.prediction.tiled.BYTES_PER_PX`: the growth of the peak from a tile
of 1024x1024 to one of 2048x2048, divided by the added pixels.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIDES = (256, 512, 1024, 2048, 4096, 8192, 16384)


def measure(side: int, precision: str, memory_gib: float | None, *, one_tile: bool) -> dict[str, float]:
    """Code of one measured process: run with ``--measure``."""
    import data_gen
    from crackseg.geometry import Region
    from crackseg.imaging.codec import ArrayImage
    from crackseg.imaging.decoding import MAX_PIXELS
    from crackseg.imaging.tiff import TiffImage, TiffWriter
    from crackseg.prediction.loading import load_model
    from crackseg.prediction.streaming import predict_streamed
    from crackseg.prediction.tiled import predict_probability

    model = load_model(precision=precision, memory_gib=memory_gib)  # type: ignore[arg-type]
    patch = data_gen.generate_sample(data_gen.Recipe(size=min(side, 1024)), seed=0, index=0).image
    count = -(-side // len(patch))
    if side * side > MAX_PIXELS:
        line = np.tile(patch[..., 1], (1, count))[:, :side]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "wall.tif"
            with path.open("w+b") as file, TiffWriter(file, (side, side), np.uint8) as writer:
                for row in range(0, side, len(line)):
                    writer.write(line[: side - row])
            clock = time.perf_counter(), time.process_time()
            plan = predict_streamed(TiffImage(path), model, Path(folder) / "out" / "wall.tif").plan
    else:
        image = ArrayImage(np.ascontiguousarray(np.tile(patch, (count, count, 1))[:side, :side]))
        model.predict(image.read(Region(0, 0, min(side, 512), min(side, 512))))
        plan = model.plan((side, side))
        clock = time.perf_counter(), time.process_time()
        if one_tile:
            predict_probability(image, model.predictor, memory_gib=1000)
        else:
            model.predict(image.read(Region(0, 0, side, side)))
    return {
        "wall_s": time.perf_counter() - clock[0],
        "processor_s": time.process_time() - clock[1],
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0,
        "read_over_written": plan.read_over_written,
    }


def run(side: int, precision: str, *flags: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", str(side), "--precision", precision, *flags]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def plot(table: dict[int, dict[str, float]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.4), layout="constrained")
    sides = list(table)
    axes.loglog(sides, [table[side]["peak_bytes"] / 1e9 for side in sides], "o-", label="peak memory")
    axes.loglog(
        sides, [side * side * 8 / 1e9 for side in sides], "--", color="grey", label="image and probability, 8 B/px"
    )
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.xaxis.minorticks_off()
    axes.set_xlabel("side of the image, px")
    axes.set_ylabel("GB")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--memory", type=float, help="for a tile, in GiB")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--tile-memory", action="store_true")
    parser.add_argument("--one-tile", action="store_true")
    parser.add_argument("--measure", type=int)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.precision, options.memory, one_tile=options.one_tile)))
        return
    if options.tile_memory:
        small, large = (run(side, options.precision, "--one-tile")["peak_bytes"] for side in (1024, 2048))
        print(f"{options.precision}: {(large - small) / (2048**2 - 1024**2):.0f} bytes for each pixel of a tile")
        return
    table = {}
    for side in options.sides:
        flags = () if options.memory is None else ("--memory", str(options.memory))
        table[side] = row = run(side, options.precision, *flags)
        each, read = 1e6 / side**2, row["read_over_written"]
        print(
            f"{side:>6} px: peak {row['peak_bytes'] / 1e9:.2f} GB, {row['wall_s']:.2f} s on the wall, "
            f"{row['processor_s'] * each:.3f} processor s for each million pixels, read over written {read:.2f}, "
            f"{row['processor_s'] * each / read:.3f} for each million read",
            flush=True,
        )
    if options.plot:
        plot(table, options.plot)


if __name__ == "__main__":
    main()
