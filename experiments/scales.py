"""Compare ways to fuse predictions at several sizes of an image.

    python experiments/scales.py --model crackseg-mobile --data data/uav_wall --clean data/neg_photos

Each image is predicted at 0.5, 0.75, 1, 1.5 and 2 times its size, and the probabilities are fused in each way. For
``--data`` folders a row holds F1 and F1 within 2 px, over the pixels of all images of a folder. ``--clean`` folders
hold no crack, and a row holds the share of images with any crack pixel. ``cost`` is the processor time relative to the
plain prediction. ``fitted`` weights the logits, by a logistic regression on the other folders. ``certain 1, 2`` takes
the more certain of two sizes; ``search`` is ``choose_scale``, which compares four sizes in patches. The last lines are
means over the cracked folders at other thresholds. ``--out`` also writes the table as JSON.

About 12 predictions for each image: 30 images of 448x448 px take 2 minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.samples import Sample, find_all_samples
from crackseg.files import write_bytes
from crackseg.geometry import Region
from crackseg.imaging.codec import ArrayImage, ImageSource, read_image, read_mask
from crackseg.metrics.counts import Counts
from crackseg.metrics.tolerance import ToleranceCounts
from crackseg.prediction.loading import load_model
from crackseg.prediction.model import Model
from crackseg.prediction.scales import SCALES, iter_fused_bands, predict_scales, with_smaller_limits
from crackseg.prediction.tiled import TileLimits
from crackseg.runtimes.predictor import Predictor

Probability = NDArray[np.float32]
ALL_SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)
FUSED = [0, 2, 3, 4]
"""Indices of the sizes 0.5, 1, 1.5 and 2."""
THRESHOLDS = (0.4, 0.5, 0.6, 0.68, 0.8)
TOLERANCE_PX = 2.0

PATCHES = 4
"""Patches in which the sizes are compared."""

_LEAST_PROBABILITY = 0.1
"""Pixels below this probability are background at any size, and do not count."""

_LEAST_PX = 50
"""Pixels above `_LEAST_PROBABILITY` that a size needs in order to be chosen."""

PATCH_PX = 256
"""Largest side of a patch, in pixels; it is at most a quarter of the side of the image."""


def logit(probability: Probability) -> Probability:
    """Return the logits of probabilities of any shape."""
    inside = np.clip(probability, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(inside / (1 - inside)), dtype=np.float32)


def sigmoid(logits: Probability) -> Probability:
    """Return the probabilities of logits of any shape."""
    return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)


def choose_scale(image: ImageSource, predictor: Predictor, limits: TileLimits) -> float:
    """Choose one of `SCALES` for an image.

    A pass at the smallest size finds the patches with the most crack probability. In these the network runs at every
    other size. The size wins at which the probability lies furthest from one half, in the mean over all pixels that
    are not clearly background.

    Args:
        image: The image.
        predictor: The network.
        limits: Limits of a tile, at each size.

    Returns:
        The size relative to that of the image; 1 if no size shows a crack.

    Raises:
        UsageError: If the limits leave no room for the context of the network.
        ModelError: If the network returns NaN or infinity, or finds no memory for any tile.
    """
    patches = [ArrayImage(image.read(region)) for region in find_patches(image, predictor, limits)]
    scores = []
    for scale in SCALES:
        parts = [predict_scales(patch, predictor, limits, scales=(scale,)).probability for patch in patches]
        scores.append(measure_certainty(parts))
    return SCALES[int(np.argmax(scores))] if max(scores) > 0 else 1.0


def find_patches(image: ImageSource, predictor: Predictor, limits: TileLimits) -> list[Region]:
    """Find the patches with the most crack probability at the smallest size.

    Args:
        image: The image.
        predictor: The network.
        limits: Limits of a tile.

    Returns:
        Cells of a grid, at most `PATCHES` of them, likeliest first.
    """
    rows, cols = (_edges(length) for length in image.shape)

    def add_up(limits: TileLimits) -> NDArray[np.float64]:
        sums = np.zeros((len(rows) - 1, len(cols) - 1))
        for start, band in iter_fused_bands(image, predictor, limits, scales=SCALES[:1]):
            cells = np.searchsorted(rows, np.arange(start, start + len(band)), side="right") - 1
            np.add.at(sums, cells, np.add.reduceat(band, cols[:-1], axis=1, dtype=np.float64))
        return sums

    sums = with_smaller_limits(add_up, image, predictor, limits, scales=SCALES[:1])
    best = np.argsort(-sums, axis=None, kind="stable")[:PATCHES]
    places = (np.unravel_index(int(index), sums.shape) for index in best)
    return [Region(int(rows[r]), int(cols[c]), int(rows[r + 1]), int(cols[c + 1])) for r, c in places]


def _edges(length: int) -> NDArray[np.intp]:
    """Return the edges of the patches of a side, in pixels."""
    count = min(max(4, -(-length // PATCH_PX)), length)
    return np.linspace(0, length, count + 1).astype(np.intp)


def measure_certainty(parts: list[NDArray[np.float32]]) -> float:
    """Return the mean distance of probabilities from one half, without background.

    Args:
        parts: ``(h, w)`` float32 crack probability of each patch, in [0, 1].
    """
    values = np.concatenate([part[part > _LEAST_PROBABILITY] for part in parts])
    return float(np.abs(values - 0.5).mean()) if values.size > _LEAST_PX else 0.0


def choose_certain(probabilities: Probability) -> Probability:
    """Return that of the ``(S, H, W)`` probabilities with the largest certainty."""
    best = np.argmax([measure_certainty([part]) for part in probabilities])
    return np.asarray(probabilities[best])


FUSIONS: Mapping[str, tuple[list[int], Callable[[Probability], Probability]]] = {
    "plain": ([2], lambda parts: parts[0]),
    "only 0.5": ([0], lambda parts: parts[0]),
    "only 1.5": ([3], lambda parts: parts[0]),
    "only 2": ([4], lambda parts: parts[0]),
    "mean 0.75, 1, 1.5": ([1, 2, 3], lambda parts: parts.mean(axis=0)),
    "mean 1, 1.5": ([2, 3], lambda parts: parts.mean(axis=0)),
    "mean of four": (FUSED, lambda parts: parts.mean(axis=0)),
    "maximum of four": (FUSED, lambda parts: parts.max(axis=0)),
    "second of four": (FUSED, lambda parts: np.sort(parts, axis=0)[-2]),
    "logit mean 1, 1.5": ([2, 3], lambda parts: sigmoid(logit(parts).mean(axis=0))),
    "logit mean 0.5, 1, 2": ([0, 2, 4], lambda parts: sigmoid(logit(parts).mean(axis=0))),
    "logit mean of four": (FUSED, lambda parts: sigmoid(logit(parts).mean(axis=0))),
    "certain 1, 2": ([2, 4], choose_certain),
}
"""Name of each fusion, with the indices of its sizes and the function of their probabilities."""


@dataclass
class Case:
    """One image: ``(S, H, W)`` probabilities at all sizes, ``(H, W)`` bool true mask, and the chosen size."""

    probabilities: NDArray[np.float16]
    true: NDArray[np.bool_]
    chosen: float


@dataclass
class Folder:
    """The images of one folder, with processor seconds at each size and of the search."""

    name: str
    clean: bool
    cases: list[Case] = field(default_factory=list)
    seconds: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(ALL_SCALES)))
    search_s: float = 0.0


def predict_folder(model: Model, samples: Sequence[Sample], folder: Folder) -> Folder:
    """Predict the images of a folder at all sizes."""
    for sample in samples:
        image, parts = ArrayImage(read_image(sample.image)), []
        for index, scale in enumerate(ALL_SCALES):
            start_s = time.process_time()
            parts.append(predict_scales(image, model.predictor, model.limits, scales=(scale,)).probability)
            folder.seconds[index] += time.process_time() - start_s
        start_s = time.process_time()
        chosen = choose_scale(image, model.predictor, model.limits)
        folder.search_s += time.process_time() - start_s
        folder.cases.append(Case(np.stack(parts).astype(np.float16), read_mask(sample.mask) > 0, chosen))
    return folder


def fit_weights(folders: Sequence[Folder]) -> Probability:
    """Fit weights of the four logits, with sum 1, by Newton's method."""
    rng, inputs, labels = np.random.default_rng(0), [], []
    for folder in folders:
        for case in folder.cases:
            parts = case.probabilities[FUSED].astype(np.float32).reshape(len(FUSED), -1)
            pixels = rng.permutation(np.flatnonzero(parts.max(axis=0) > 0.05))[:1000]
            inputs.append(logit(parts[:, pixels]).T)
            labels.append(case.true.ravel()[pixels])
    x = np.hstack([np.concatenate(inputs), np.ones((sum(map(len, inputs)), 1))]).astype(np.float64)
    y, weights = np.concatenate(labels).astype(np.float64), np.zeros(x.shape[1])
    for _ in range(20):
        p = 1 / (1 + np.exp(-x @ weights))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.eye(len(weights))
        weights += np.linalg.solve(hessian, x.T @ (y - p) - weights)
    return np.asarray(weights[:-1] / weights[:-1].sum(), dtype=np.float32)


def score(folder: Folder, fuse: Callable[[Case], Probability], threshold: float) -> tuple[float, float]:
    """Return F1 and F1 within 2 px, or shares called."""
    counts, near, called, share = Counts(), ToleranceCounts(), 0, 0.0
    for case in folder.cases:
        mask = fuse(case) >= threshold
        called += bool(mask.any())
        share += float(mask.mean()) / len(folder.cases)
        if not folder.clean:
            counts += Counts.of(mask, case.true)
            near += ToleranceCounts.of(mask, case.true, tolerance_px=TOLERANCE_PX)
    return (called / len(folder.cases), share) if folder.clean else (counts.f1, near.f1)


def list_fusions(folders: Sequence[Folder], folder: Folder) -> dict[str, tuple[float, Callable[[Case], Probability]]]:
    """Return the cost of each fusion, and its function of a case."""
    plain_s = folder.seconds[2]
    rows: dict[str, tuple[float, Callable[[Case], Probability]]] = {}
    for name, (indices, fuse) in FUSIONS.items():

        def of_case(
            case: Case, indices: list[int] = indices, fuse: Callable[[Probability], Probability] = fuse
        ) -> Probability:
            return fuse(case.probabilities[indices].astype(np.float32))

        rows[name] = float(folder.seconds[indices].sum() / plain_s), of_case
    others = [other for other in folders if other is not folder and not other.clean]
    if others:
        weights = fit_weights(others)
        print(f"{folder.name}: fitted weights", *weights.round(2))
        rows["fitted"] = (
            rows["mean of four"][0],
            lambda case: sigmoid(np.tensordot(weights, logit(case.probabilities[FUSED].astype(np.float32)), axes=1)),
        )
    chosen = [ALL_SCALES.index(case.chosen) for case in folder.cases]
    print(f"{folder.name}: chosen", *(f"{scale:g}: {chosen.count(ALL_SCALES.index(scale))}," for scale in ALL_SCALES))
    searched_s = folder.search_s + float(folder.seconds[chosen].mean())
    rows["search"] = (
        searched_s / plain_s,
        lambda case: case.probabilities[ALL_SCALES.index(case.chosen)].astype(np.float32),
    )
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="crackseg-mobile")
    parser.add_argument("--data", type=Path, action="append", default=[], help="folder of images with cracks")
    parser.add_argument("--clean", type=Path, action="append", default=[], help="folder of images without cracks")
    parser.add_argument("--part", default="train", choices=["train", "test"], help="half to use where there are halves")
    parser.add_argument("--limit", type=int, default=24, help="images of each folder, evenly spread")
    parser.add_argument("--out", type=Path, help="write the table as JSON")
    options = parser.parse_args()
    model = load_model(options.model)
    cut, folders = model.threshold(), []
    for path in [*options.data, *options.clean]:
        samples = find_all_samples([path], options.part)
        samples = samples[:: max(1, len(samples) // options.limit)][: options.limit]
        folders.append(predict_folder(model, samples, Folder(path.name, path in options.clean)))
        print(f"{path.name}: {len(samples)} images", flush=True)
    rows = {folder.name: list_fusions(folders, folder) for folder in folders}
    cracked = [folder for folder in folders if not folder.clean]
    table: dict[str, dict[str, list[float]]] = {}
    print(f"{model.card.name}, threshold {cut:g}")
    print("fusion".ljust(21) + " cost" + "".join(folder.name[:13].rjust(15) for folder in folders))
    for name in (name for name in rows[folders[-1].name] if all(name in other for other in rows.values())):
        values = {folder.name: list(score(folder, rows[folder.name][name][1], cut)) for folder in folders}
        cost = float(np.mean([rows[folder.name][name][0] for folder in folders]))
        table[name] = {"cost": [cost], **values}
        print(
            f"{name:21}{cost:5.2f}"
            + "".join(
                f"{a:15.3f}" if folder.clean else f"{a:.3f}/{b:.3f}".rjust(15)
                for folder, (a, b) in zip(folders, values.values(), strict=True)
            ),
            flush=True,
        )
    for name in ("plain", "mean 1, 1.5", "mean of four", "logit mean of four", "search"):
        means = [
            np.mean([score(folder, rows[folder.name][name][1], threshold) for folder in cracked], axis=0)
            for threshold in THRESHOLDS
        ]
        print(f"{name:21}" + "".join(f"  {t:g}: {a:.3f}/{b:.3f}" for t, (a, b) in zip(THRESHOLDS, means, strict=True)))
    if options.out:
        write_bytes(options.out, json.dumps({"model": model.card.name, "table": table}, indent=1).encode())


if __name__ == "__main__":
    main()
