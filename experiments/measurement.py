"""Measure the error and the cost of measurements, for docs/measurement.md.

    python experiments/measurement.py lines          lines of constant width at all angles, straight and bent
    python experiments/measurement.py cracks         generated cracks, from their exact masks
    python experiments/measurement.py images         generated images, from the model's prediction
    python experiments/measurement.py seconds        time of measuring over time of predicting; --images for real ones

Each prints a table. `--seed` and `--count` change the cases. `seconds` times both sides in turn in one run and prints
the ratio of the fastest, which holds on a shared machine.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import data_gen
from crackseg.files import list_images
from crackseg.imaging.codec import read_image
from crackseg.measurement.crack import CrackMeasurement, measure_cracks
from crackseg.measurement.resolution import WidthStatistic
from data_gen.crack import SyntheticCrack, place
from data_gen.stroke import Stroke

SIDE_PX = 400
WIDTHS_PX = (0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 16.0, 24.0)
BLUR_PX, CONTRAST, NOISE = 0.8, 90.0, 3.0
STATISTICS: tuple[WidthStatistic, ...] = ("mean", "max")
Values = NDArray[np.float64]
Case = tuple[CrackMeasurement, dict[str, float]]


def drawn_line(rng: np.random.Generator, width_px: float) -> tuple[SyntheticCrack, NDArray[np.float32]]:
    """Draw a straight or bent line across the image, with its coverage."""
    angle, bend = rng.uniform(0, 2 * math.pi), rng.choice([0.0, rng.uniform(-1, 1) / 250])
    way = np.arange(-SIDE_PX, SIDE_PX, 0.5)
    heading = angle + bend * way
    steps = 0.5 * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    points = np.cumsum(steps, axis=0)
    points += SIDE_PX / 2 + rng.uniform(-40, 40, 2) - points[len(points) // 2]
    half = np.full(len(points), width_px / 2)
    placed = place((Stroke(points, half, half),), "single", (SIDE_PX, SIDE_PX))
    (longest,) = sorted(placed, key=lambda crack: crack.exact.length_px)[-1:]
    coverage = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    coverage[longest.region] = longest.raster.coverage
    return longest.exact, coverage


def render(rng: np.random.Generator, coverage: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Render a dark line as an image: blurred, with noise."""
    grey = 160 - CONTRAST * cv2.GaussianBlur(coverage, (0, 0), BLUR_PX) + rng.normal(0, NOISE, coverage.shape)
    return np.repeat(np.clip(np.rint(grey), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def full_mask(crack: SyntheticCrack, shape: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.bool_)
    mask[crack.box[0] : crack.box[2], crack.box[1] : crack.box[3]] = crack.mask
    return mask


def true_values(crack: SyntheticCrack) -> dict[str, float]:
    widths = np.concatenate(crack.widths_px)
    return {"mean": crack.width_mean_px, "max": float(widths.max()), "length": crack.length_px}


def largest(cracks: Sequence[CrackMeasurement]) -> CrackMeasurement:
    return cracks[0]


def print_table(title: str, rows: Iterable[tuple[str, Sequence[Case]]]) -> None:
    print(f"\n{title}\n")
    print(
        "| true width, px | cracks | measured | mean: error, px | % | greatest: error, px | % | within ± | length, % |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, cases in rows:
        if cases:
            print(f"| {name} | {len(cases)} | {' | '.join(table_row(cases))} |")


def table_row(cases: Sequence[Case]) -> list[str]:
    measured = [case for case in cases if case[0].width_mean_px is not None]
    cells = [f"{100 * len(measured) / len(cases):.0f} %"]
    inside: list[bool] = []
    for name in STATISTICS:
        pairs = [(crack.width.by_name()[name].value, true[name]) for crack, true in cases]
        off = [(value - true, true) for value, true in pairs if value is not None]
        cells += (
            [f"{np.mean([abs(e) for e, _ in off]):.2f}", f"{100 * np.mean([abs(e) / t for e, t in off]):.1f}"]
            if off
            else ["-", "-"]
        )
        inside += [
            abs(width.value - true[name]) <= (width.uncertainty or 0.0)
            for crack, true in cases
            if (width := crack.width.by_name()[name]).value is not None
        ]
    lengths = [abs(crack.length_px / true["length"] - 1) for crack, true in cases]
    return [*cells, f"{100 * np.mean(inside):.0f} %" if inside else "-", f"{100 * np.mean(lengths):.2f}"]


def lines(options: argparse.Namespace) -> None:
    rng = np.random.default_rng(options.seed)
    sources: dict[str, Callable[[SyntheticCrack, NDArray[np.float32]], Sequence[CrackMeasurement]]] = {
        "mask only": lambda true, coverage: measure_cracks(full_mask(true, coverage.shape)),
        "exact mask, coverage as probability": lambda true, coverage: measure_cracks(
            full_mask(true, coverage.shape), probability=coverage
        ),
        "exact mask and image": lambda true, coverage: measure_cracks(
            full_mask(true, coverage.shape), image=render(rng, coverage)
        ),
    }
    drawn = {width: [drawn_line(rng, width) for _ in range(options.count)] for width in WIDTHS_PX}
    for title, run in sources.items():
        rows = []
        for width, cases in drawn.items():
            rows.append((f"{width:g}", [(largest(run(true, coverage)), true_values(true)) for true, coverage in cases]))
        print_table(f"Lines of constant width, {title}", rows)


def binned(cases: Sequence[Case], bounds: Sequence[float]) -> list[tuple[str, list[Case]]]:
    return [
        (f"{low:g} to {high:g}", [case for case in cases if low <= case[1]["mean"] < high])
        for low, high in pairwise(bounds)
    ]


def cracks(options: argparse.Namespace) -> None:
    quiet = data_gen.Recipe(size=1024, mode="binary", noise={"probability": 0})
    cases: list[Case] = []
    for index in range(options.count):
        sample = data_gen.generate_sample(quiet, seed=options.seed, index=index)
        by_box = {(crack.box, crack.area_px): crack for crack in measure_cracks(sample.mask)}
        for true in sample.cracks:
            crack = by_box.get((true.box, int(true.mask.sum())))
            if crack is not None and true.length_px >= 60:
                cases.append((crack, true_values(true)))
    print_table("Generated cracks, exact mask", binned(cases, (0, 0.7, 1, 1.5, 2, 3, 4, 6, 10, 16, 60)))
    print("\nby pattern: " + ", ".join(pattern_counts(cases)))


def pattern_counts(cases: Sequence[Case]) -> list[str]:
    names = [crack.pattern for crack, _ in cases]
    return [f"{name} {names.count(name)}" for name in ("single", "branched", "network")]


def match_cracks(
    sample: data_gen.SyntheticSample, mask: NDArray[np.bool_], measured: Sequence[CrackMeasurement]
) -> list[Case]:
    """Pair predicted and true cracks that mostly cover each other."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    names = {(int(top), int(left), int(area)): label for label, (left, top, _, _, area) in enumerate(stats)}
    cases: list[Case] = []
    for crack in measured:
        label = names[(crack.box[0], crack.box[1], crack.area_px)]
        own = cv2.dilate((labels == label).astype(np.uint8), np.ones((7, 7), np.uint8)).astype(np.bool_)
        for true in sample.cracks:
            points = np.concatenate(true.centrelines)
            at = np.clip(np.rint(points).astype(np.int64), 0, np.array(mask.shape) - 1)
            inside = own[at[:, 0], at[:, 1]]
            share = inside.mean() * true.length_px / crack.length_px
            if crack.length_px > 60 and 0.85 < share < 1.15:
                widths = np.concatenate(true.widths_px)[inside]
                length = true.length_px * float(inside.mean())
                cases.append((crack, {"mean": float(widths.mean()), "max": float(widths.max()), "length": length}))
    return cases


def images(options: argparse.Namespace) -> None:
    import crackseg

    model = crackseg.load_model(options.model)
    recipe = data_gen.Recipe(size=768, confounders={"probability": 0}, noise={"probability": 0})
    by_source: dict[str, list[Case]] = {"as predict": [], "mask only": [], "probability": [], "image": []}
    for index in range(options.count):
        sample = data_gen.generate_sample(recipe, seed=options.seed, index=index)
        result = model.predict(sample.image)
        evidence = {"probability": result.probability, "threshold": result.threshold}
        runs = {
            "as predict": result.cracks,
            "mask only": measure_cracks(result.mask),
            "probability": measure_cracks(result.mask, **evidence),
            "image": measure_cracks(result.mask, image=sample.image),
        }
        for name, cracks in runs.items():
            by_source[name] += match_cracks(sample, result.mask, cracks)
    for name, cases in by_source.items():
        print_table(f"Photographs, {model.card.name}, {name}", binned(cases, (0, 1, 2, 3, 4, 6, 8, 12, 20, 60)))


def mosaic(folder: Path, number: int) -> NDArray[np.uint8]:
    """Join images in a square of 1024 px; a number picks them."""
    square = np.zeros((1024, 1024, 3), np.uint8)
    paths = list_images(folder)
    height, width = read_image(paths[0]).shape[:2]
    places = [(row, col) for row in range(0, 1024, height) for col in range(0, 1024, width)]
    for at, (row, col) in enumerate(places):
        image = read_image(paths[(number * len(places) + at) % len(paths)])
        space = square[row : row + image.shape[0], col : col + image.shape[1]]
        space[:] = image[: space.shape[0], : space.shape[1]]
    return square


def seconds(options: argparse.Namespace) -> None:
    import crackseg

    model = crackseg.load_model(options.model)
    if options.images is None:
        images = [
            data_gen.generate_sample(data_gen.Recipe(size=1024), seed=options.seed, index=i).image for i in range(4)
        ]
    else:
        images = [mosaic(options.images, number) for number in range(4)]
    results = [model.predict(image) for image in images]
    fastest: dict[str, list[float]] = {"predict": [], "measure": [], "mask only": []}
    for image, result in zip(images, results, strict=True):
        evidence = {"probability": result.probability, "threshold": result.threshold, "image": image}
        runs: dict[str, Callable[[], object]] = {
            "predict": lambda pixels=image: model.predict(pixels),  # type: ignore[misc]
            "measure": lambda mask=result.mask, evidence=evidence: measure_cracks(mask, **evidence),  # type: ignore[misc]
            "mask only": lambda mask=result.mask: measure_cracks(mask),  # type: ignore[misc]
        }
        times = dict.fromkeys(runs, math.inf)
        for _ in range(options.rounds):
            for name, run in runs.items():
                start = time.perf_counter()
                run()
                times[name] = min(times[name], time.perf_counter() - start)
        for name, value in times.items():
            fastest[name].append(value)
        share = times["measure"] / (times["predict"] - times["measure"])
        print(
            f"{int(result.mask.sum()):6d} crack pixels, {len(result.cracks):3d} cracks: network and mask "
            f"{1000 * (times['predict'] - times['measure']):.0f} ms, measuring {1000 * times['measure']:.1f} ms "
            f"(mask only {1000 * times['mask only']:.1f} ms), {100 * share:.1f} %"
        )
    total = sum(fastest["measure"]) / (sum(fastest["predict"]) - sum(fastest["measure"]))
    print(f"measuring over predicting: {100 * total:.1f} % (aim 10 %)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["lines", "cracks", "images", "seconds"])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--model")
    parser.add_argument("--images", type=Path, help="folder of images for `seconds`; generated ones if left out")
    options = parser.parse_args()
    {"lines": lines, "cracks": cracks, "images": images, "seconds": seconds}[options.what](options)


if __name__ == "__main__":
    main()
