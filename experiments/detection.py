"""Score cracks as detections: box AP by pycocotools, and recall of components.

    python experiments/detection.py [--model M] [--count 40] [--data DIR ...]

Each component of a mask is a box. Its score is the mean probability along its centrelines. DIR is a data set, of
which the test half is used; without --data, images are generated. AP is at an IoU of 0.5, and the mean over 0.5 to
0.95. A true component counts as detected if half its pixels lie within 2 px of a predicted crack pixel.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import crackseg
import data_gen
from crackseg.datasets.samples import find_samples
from crackseg.imaging.codec import read_image, read_mask
from crackseg.measurement.components import find_components
from crackseg.metrics.components import ComponentCounts

Sample = tuple[NDArray[np.uint8], NDArray[np.bool_]]
TOLERANCE_PX = 2.0


def real(folder: Path) -> Iterator[Sample]:
    for sample in find_samples(folder, "test"):
        yield read_image(sample.image), read_mask(sample.mask)


def generated(seed: int) -> Iterator[Sample]:
    recipe = data_gen.Recipe(size=512)
    for index in range(1_000_000):
        sample = data_gen.generate_sample(recipe, seed=seed, index=index)
        yield sample.image, sample.mask


def flat(box: Any) -> list[float]:
    """Return ``(row0, col0, row1, col1)`` as COCO's x, y, width, height."""
    row0, col0, row1, col1 = (float(side) for side in box)
    return [col0, row0, col1 - col0, row1 - row0]


def score(title: str, samples: Iterator[Sample], model: crackseg.Model) -> None:
    images, true_boxes, detections = [], [], []
    counts = ComponentCounts()
    for number, (image, mask) in enumerate(samples, start=1):
        images.append({"id": number, "height": mask.shape[0], "width": mask.shape[1]})
        for box in find_components(mask).boxes().tolist():
            x, y, width, height = flat(box)
            item = {"image_id": number, "category_id": 1, "bbox": [x, y, width, height], "iscrowd": 0}
            true_boxes.append({**item, "id": len(true_boxes) + 1, "area": width * height})
        result = model.predict(image)
        for crack in result.cracks:
            detections.append({"image_id": number, "category_id": 1, "bbox": flat(crack.box), "score": crack.score})
        counts += ComponentCounts.of(result.mask, mask, tolerance_px=TOLERANCE_PX)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        true = COCO()
        true.dataset = {"images": images, "annotations": true_boxes, "categories": [{"id": 1, "name": "crack"}]}
        true.createIndex()
        scorer = COCOeval(true, true.loadRes(detections), "bbox")
        scorer.params.maxDets = [1, 10, 1000]
        scorer.evaluate()
        scorer.accumulate()
    precision = scorer.eval["precision"][:, :, 0, 0, -1]
    at_half, mean = (float(values[values > -1].mean()) for values in (precision[0], precision))
    print(
        f"| {title} | {len(images)} | {counts.cracks} | {100 * counts.detection_rate:.1f} % | {counts.calls} "
        f"| {counts.false_calls} | {at_half:.3f} | {mean:.3f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--data", type=Path, action="append")
    options = parser.parse_args()
    model = crackseg.load_model(options.model)
    print("| data | images | true components | found | called | false | AP .5 | AP .5:.95 |")
    print("|---|---|---|---|---|---|---|---|")
    if options.data is None:
        score("generated, 512 px", islice(generated(options.seed), options.count), model)
    for folder in options.data or ():
        score(folder.name, islice(real(folder), options.count), model)


if __name__ == "__main__":
    main()
