"""Measure the out-of-domain distance of unseen walls and of images that show no wall.

    python experiments/domain.py DIR [DIR ...]

Each folder is a data set with parts ``train`` and ``test``. For each set, the description is fitted to the train
parts of all others, and the test images of the left-out set are measured. The table lists how many would be refused
although they show walls. Then the description of all sets measures images that show no wall: those of scikit-image,
and drawn ones. Last, the cost of a description is compared with that of a prediction, both as the least processor
time of several rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

import crackseg
from crackseg.datasets.samples import find_samples
from crackseg.imaging.codec import read_image
from crackseg.inspection.quality import QualityLimits, list_quality_problems, measure_quality
from crackseg.modelcard.domain import describe, describe_files, distances, fit_domain

Image = NDArray[np.uint8]

THINGS = (
    "astronaut.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png",
    "hubble_deep_field.jpg", "ihc.png", "microaneurysms.png", "moon.png", "motorcycle_left.png", "retina.jpg",
    "rocket.jpg",
)  # fmt: skip
GRAPHICS = ("chessboard_RGB.png", "color.png", "horse.png", "logo.png", "phantom.png")
PAPERS = ("page.png", "text.png")
SURFACES = ("brick.png", "grass.png", "gravel.png")


def document(seed: int, *, paper: int, ink: int, noise: float = 0.0) -> Image:
    """Draw lines of words; with noise and blur they look scanned."""
    rng = np.random.default_rng(seed)
    image = np.full((800, 600, 3), paper, np.uint8)
    for row in range(40, 780, 28):
        col = 30
        while col < 480:
            word = "".join(chr(97 + letter) for letter in rng.integers(0, 26, rng.integers(2, 9)))
            cv2.putText(image, word, (col, row), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (ink,) * 3, 1, cv2.LINE_AA)
            col += 12 * len(word) + 14
    if not noise:
        return image
    blurred = cv2.GaussianBlur(image, (0, 0), 0.8).astype(np.float64)
    return np.clip(0.8 * blurred + rng.normal(0, noise, (800, 600, 1)), 0, 255).astype(np.uint8)


def screenshot(seed: int) -> Image:
    """Draw frames with writing."""
    rng = np.random.default_rng(seed)
    image = np.full((720, 1280, 3), rng.integers(200, 256, 3), np.uint8)
    for _ in range(25):
        (col, row), (width, height) = rng.integers(0, (1100, 650)), rng.integers((30, 20), (400, 200))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        corners = (int(col), int(row)), (int(col + width), int(row + height))
        cv2.rectangle(image, *corners, colour, -1 if rng.random() < 0.6 else 2)
        cv2.putText(image, "Save file as", (int(col) + 5, int(row) + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1)
    return image


def plot(seed: int) -> Image:
    """Draw curves in a frame."""
    rng = np.random.default_rng(seed)
    image = np.full((480, 640, 3), 255, np.uint8)
    cv2.rectangle(image, (60, 40), (600, 430), (0, 0, 0), 1)
    for _ in range(4):
        points = np.stack([np.linspace(60, 600, 100), 240 + np.cumsum(rng.normal(0, 8, 100))], axis=1)
        colour = tuple(int(value) for value in rng.integers(0, 200, 3))
        cv2.polylines(image, [points.astype(np.int32)], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA)
    return image


def gradients() -> dict[str, Image]:
    """Draw images that change smoothly, or in steps."""
    row, col = np.mgrid[:400, :500]
    planes = {
        "across": col / 2,
        "down": row / 2,
        "radial": np.clip(255 - np.hypot(col - 250, row - 200), 0, 255),
        "checks": (col // 25 + row // 25) % 2 * 255,
        "stripes": col // 10 % 2 * 255,
    }
    drawn = {name: plane.astype(np.uint8)[..., None].repeat(3, axis=2) for name, plane in planes.items()}
    return {**drawn, "colours": np.stack([col / 2, row / 2, 255 - col / 2], axis=2).astype(np.uint8)}


def noises() -> dict[str, Image]:
    """Draw noise of four kinds."""
    rng = np.random.default_rng(0)
    return {
        "colour": rng.integers(0, 256, (400, 500, 3), np.uint8),
        "grey": rng.integers(0, 256, (400, 500, 1), np.uint8).repeat(3, axis=2),
        "normal": np.clip(rng.normal(128, 40, (400, 500, 1)), 0, 255).astype(np.uint8).repeat(3, axis=2),
        "black and white": 255 * rng.integers(0, 2, (400, 500, 1), np.uint8).repeat(3, axis=2),
    }


def no_walls() -> dict[str, dict[str, Image]]:
    """Return images without walls by kind, and surfaces like walls."""
    here = Path(skimage.data.__file__).parent
    docs = Path(__file__).parents[1] / "docs"

    def stored(names: tuple[str, ...]) -> dict[str, Image]:
        return {name.partition(".")[0]: read_image(here / name) for name in names}

    drawn = {f"white {seed}": document(seed, paper=250, ink=10) for seed in range(4)}
    drawn |= {f"dark {seed}": document(seed, paper=20, ink=230) for seed in range(4)}
    shots = {f"windows {seed}": screenshot(seed) for seed in range(6)}
    shots |= {name: read_image(docs / f"{name}.png") for name in ("inspect-report", "inspect-report-phone")}
    return {
        "documents on a screen": drawn,
        "documents, scanned": stored(PAPERS) | {f"scan {n}": document(n, paper=250, ink=10, noise=4) for n in range(4)},
        "screenshots": shots,
        "plots": {f"plot {seed}": plot(seed) for seed in range(4)},
        "graphics": stored(GRAPHICS),
        "gradients and patterns": gradients(),
        "noise": noises(),
        "black, white": {"black": np.zeros((300, 400, 3), np.uint8), "white": np.full((300, 400, 3), 255, np.uint8)},
        "images of other things": stored(THINGS),
        "surfaces (not to be refused)": stored(SURFACES),
    }


def least_s(work: Callable[[Image], object], images: list[Image], rounds: int) -> float:
    """Return the least processor time per image."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for image in images:
            work(image)
        best = min(best, (time.process_time() - start) / len(images))
    return best


def leave_one_out(train: Mapping[str, NDArray[np.float64]], tests: Mapping[str, NDArray[np.float64]]) -> None:
    """Print the distances of each set's test images from all others."""
    print(f"{'left out':<22} {'images':>6} {'median':>7} {'largest':>8} {'limit':>6} {'refused':>8}")
    for name, test in tests.items():
        domain = fit_domain([described for other, described in train.items() if other != name])
        measured = distances(domain, test)
        refused = 100 * float((measured > domain.limit).mean())
        figures = f"{np.median(measured):>7.2f} {measured.max():>8.2f} {domain.limit:>6.2f} {refused:>6.1f} %"
        print(f"{name:<22} {len(test):>6} {figures}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=1000, help="test images of each set, spread over their names")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    train = describe_files({it.name: [item.image for item in find_samples(it, "train")] for it in options.data})
    paths = {it.name: [item.image for item in find_samples(it, "test")] for it in options.data}
    chosen = {name: files[:: -(-len(files) // options.most)] for name, files in paths.items()}
    tests = {name: np.array([describe(read_image(path)) for path in files]) for name, files in chosen.items()}
    leave_one_out(train, tests)
    domain = fit_domain(list(train.values()))
    print(f"\nfitted to all: limit {domain.limit:.2f}")
    for name, test in tests.items():
        share = 100 * float((distances(domain, test) > domain.limit).mean())
        print(f"{name:<22} {share:>6.1f} % of the test images refused")
    print(f"\n{'no walls':<30} {'refused':>8} {'by other rules':>15}  passed")
    for kind, images in no_walls().items():
        far = {name: domain.distance(image) for name, image in images.items()}
        other = [
            name for name, image in images.items() if list_quality_problems(measure_quality(image), QualityLimits())
        ]
        passed = [f"{name} {value:.2f}" for name, value in far.items() if value <= domain.limit and name not in other]
        refused = sum(value > domain.limit for value in far.values())
        print(f"{kind:<30} {refused:>3} of {len(far):<2} {len(other):>12}     {', '.join(passed)}")
    model, images = crackseg.load_model(), [read_image(path) for path in next(iter(paths.values()))[:10]]
    predicting, describing = least_s(model.predict, images, 3), least_s(describe, images, 20)
    size = "x".join(str(side) for side in images[0].shape[1::-1])
    print(
        f"\nan image of {size} px: predicted in {predicting * 1e3:.1f} ms, described in {describing * 1e3:.2f} ms",
        end="",
    )
    print(f" of processor time, {100 * describing / predicting:.1f} %")


if __name__ == "__main__":
    main()
