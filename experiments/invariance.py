"""Compare a model's masks of an image before and after changes that leave its cracks in place.

    python experiments/invariance.py --model crackseg-mobile --data data/cfd --clean data/neg_photos

No label is needed. Each image is predicted once as it is and once after each change. Colour, light and noise keep every
pixel in place, so those rows are the IoU of the two masks. Rotated and resized images are predicted at their new size
and the probability is mapped back. Those rows are the F1 within 2 px of the two masks. Pixels of all images of a folder
are pooled; ``mean`` is the mean over folders. For ``--clean`` folders, which hold no crack, each row is the share of
images with any crack pixel. ``--out`` also writes the table as JSON.

About 20 predictions for each image: 100 images of 448x448 px take 8 minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.samples import find_all_samples
from crackseg.files import write_bytes
from crackseg.imaging.codec import read_image
from crackseg.metrics.counts import Counts
from crackseg.metrics.tolerance import ToleranceCounts
from crackseg.prediction.loading import load_model
from crackseg.prediction.model import Model
from crackseg.prediction.segmentation import apply_threshold

Pixels = NDArray[np.uint8]
Probability = NDArray[np.float32]
TOLERANCE_PX = 2.0


def turn_hue(image: Pixels, *, degrees: float) -> Pixels:
    """Turn the hue of every pixel of an ``(H, W, 3)`` RGB image."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + round(degrees / 2)) % 180
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.uint8)


def to_grey(image: Pixels) -> Pixels:
    """Return an RGB image ``(H, W, 3)`` as grey in all channels."""
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def apply_gamma(image: Pixels, *, gamma: float) -> Pixels:
    """Raise the levels, as shares of 255, to a power."""
    return np.asarray(255 * (image / 255.0) ** gamma + 0.5, dtype=np.uint8)


def scale_contrast(image: Pixels, *, factor: float) -> Pixels:
    """Scale the distance of all levels to the image's mean level."""
    mean = image.mean()
    return np.asarray(np.clip(mean + factor * (image - mean) + 0.5, 0, 255), dtype=np.uint8)


def compress(image: Pixels, *, quality: int) -> Pixels:
    """Encode as JPEG and decode again."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def add_noise(image: Pixels, *, sigma: float) -> Pixels:
    """Add the same Gaussian noise at each call."""
    noise = np.random.default_rng(0).normal(0, sigma, image.shape)
    return np.asarray(np.clip(image + noise + 0.5, 0, 255), dtype=np.uint8)


IN_PLACE: Mapping[str, Callable[[Pixels], Pixels]] = {
    "grey": to_grey,
    "red and blue swapped": lambda image: np.ascontiguousarray(image[..., ::-1]),
    "hue +90": partial(turn_hue, degrees=90),
    "hue -90": partial(turn_hue, degrees=-90),
    "gamma 0.6": partial(apply_gamma, gamma=0.6),
    "gamma 1.6": partial(apply_gamma, gamma=1.6),
    "contrast 0.6": partial(scale_contrast, factor=0.6),
    "JPEG 40": partial(compress, quality=40),
    "blur 1 px": lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), dtype=np.uint8),
    "noise 8": partial(add_noise, sigma=8),
}
"""Changes that keep every pixel in place."""


def predict_resized(model: Model, image: Pixels, *, factor: float) -> Probability:
    """Predict a resized image and return its probability ``(H, W)``."""
    height, width = image.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA)
    probability = model.predict(np.asarray(resized, dtype=np.uint8)).probability
    way = cv2.INTER_AREA if factor > 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(probability, (width, height), interpolation=way), dtype=np.float32)


def predict_rotated(model: Model, image: Pixels, *, degrees: float) -> Probability:
    """Predict an image rotated about its centre, and rotate back."""
    height, width = image.shape[:2]
    side = math.ceil(math.hypot(height, width))
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    rotated = cv2.warpAffine(image, turn, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    probability = model.predict(np.asarray(rotated, dtype=np.uint8)).probability
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(probability, turn, (width, height), flags=flags), dtype=np.float32)


MOVED: Mapping[str, Callable[[Model, Pixels], Probability]] = {
    "rotated 30": partial(predict_rotated, degrees=30),
    "enlarged 1.5": partial(predict_resized, factor=1.5),
    "enlarged 2": partial(predict_resized, factor=2.0),
    "reduced .67": partial(predict_resized, factor=0.67),
    "reduced .5": partial(predict_resized, factor=0.5),
}
"""Changes that move pixels; their probability is mapped back."""


@dataclass
class Row:
    """One change over the images of one folder."""

    overlap: Counts = field(default_factory=Counts)
    near: ToleranceCounts = field(default_factory=ToleranceCounts)
    called: int = 0

    def add(self, mask: NDArray[np.bool_], changed: NDArray[np.bool_]) -> None:
        """Count the masks ``(H, W)`` of one image before and after the change."""
        self.overlap += Counts.of(changed, mask)
        self.near += ToleranceCounts.of(changed, mask, tolerance_px=TOLERANCE_PX)
        self.called += bool(changed.any())


def compare(model: Model, paths: list[Path]) -> dict[str, Row]:
    """Return a row for each change, and ``as it is``, over some images."""
    rows: dict[str, Row] = {name: Row() for name in ("as it is", *IN_PLACE, *MOVED)}
    cut = model.threshold()
    for path in paths:
        image = read_image(path)
        mask = model.predict(image).mask
        rows["as it is"].add(mask, mask)
        for name, change in IN_PLACE.items():
            rows[name].add(mask, model.predict(change(image)).mask)
        for name, predict in MOVED.items():
            rows[name].add(mask, apply_threshold(predict(model, image), threshold=cut))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="crackseg-mobile")
    parser.add_argument("--data", type=Path, action="append", default=[], help="folder of images with cracks")
    parser.add_argument("--clean", type=Path, action="append", default=[], help="folder of images without cracks")
    parser.add_argument("--part", default="test", choices=["train", "test"], help="half to use where there are halves")
    parser.add_argument("--limit", type=int, default=40, help="images of each folder, evenly spread")
    parser.add_argument("--out", type=Path, help="write the table as JSON")
    options = parser.parse_args()
    model = load_model(options.model)
    table: dict[str, dict[str, float]] = {}
    for folder in [*options.data, *options.clean]:
        samples = find_all_samples([folder], options.part)
        step = max(1, len(samples) // options.limit)
        paths = [sample.image for sample in samples[::step]][: options.limit]
        rows = compare(model, paths)
        clean = folder in options.clean
        for name, row in rows.items():
            value = row.called / len(paths) if clean else row.near.f1 if name in MOVED else row.overlap.iou
            table.setdefault(name, {})[folder.name] = value
        print(f"{folder.name}: {len(paths)} images", flush=True)
    cracked = [folder.name for folder in options.data]
    columns = [*(["mean", *cracked] if cracked else []), *(folder.name for folder in options.clean)]
    print(f"{model.card.name}, threshold {model.threshold():g}")
    print("change".ljust(22) + "".join(name[:13].rjust(15) for name in columns))
    for name, values in table.items():
        if cracked:
            values["mean"] = float(np.nanmean([values[folder] for folder in cracked]))
        print(name.ljust(22) + "".join(f"{values[column]:15.3f}" for column in columns))
    if options.out:
        write_bytes(options.out, json.dumps({"model": model.card.name, "table": table}, indent=1).encode())


if __name__ == "__main__":
    main()
