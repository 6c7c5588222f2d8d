"""Compare pooled F1 of bfloat16, int8 and test-time augmentation with float32.

    python experiments/prediction_precision.py --data DIR [--data DIR ...] [--every 1] [--tta-every 4]

int8 is calibrated with images of the `train` parts and scored on the `test` parts. Every precision is written as
`crackseg export` writes it. The threshold is the model's own.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import get_args

from crackseg.datasets.samples import find_all_samples, read_sample
from crackseg.exporting.parity import LIMITS, ParityError, compare
from crackseg.exporting.pipeline import convert
from crackseg.metrics.counts import Counts
from crackseg.prediction.loading import find_model
from crackseg.prediction.tta import TtaName, predict_averaged
from crackseg.runtimes.onnx import OnnxPredictor
from crackseg.runtimes.openvino import OpenVinoPredictor, from_onnx


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--model")
    parser.add_argument("--calibrate", type=int, default=64)
    parser.add_argument("--every", type=int, default=1, help="take every n-th test image")
    parser.add_argument("--tta-every", type=int, default=4)
    options = parser.parse_args()
    model_file = find_model(options.model)
    data = model_file.read()
    whole = OnnxPredictor(data, name=model_file.name)
    train = find_all_samples(options.data, "train")
    used = [read_sample(train[index * len(train) // options.calibrate]) for index in range(options.calibrate)]
    others = {
        "bf16": OpenVinoPredictor(from_onnx(data), whole.card, precision="bf16"),
        "int8": convert(data, whole.card, file_format="openvino", precision="int8", samples=used).predictor,
        "int8, onnxruntime": convert(data, whole.card, file_format="onnx", precision="int8", samples=used).predictor,
    }
    for folder in options.data:
        samples = [read_sample(sample) for sample in find_all_samples([folder], "test")[:: options.every]]
        for name, predictor in others.items():
            parity = compare(whole, predictor, samples, threshold=whole.card.threshold)
            try:
                parity.check(LIMITS["bf16" if name == "bf16" else "int8"])
                verdict = "passes"
            except ParityError:
                verdict = "is refused"
            print(f"{folder.name}, {name}: {parity.describe()}, loss {parity.f1_loss:+.4f}; {verdict}", flush=True)
        for tta in get_args(TtaName) if options.tta_every else ():
            counts, start = Counts(), time.process_time()
            for pixels, true in samples[:: options.tta_every]:
                answer = predict_averaged(pixels, whole, tta=tta)
                counts = counts + Counts.of(answer >= whole.card.threshold, true)
            spent_s = time.process_time() - start
            print(
                f"{folder.name}, every {options.tta_every}th, tta {tta}: F1 {counts.f1:.4f}, {spent_s:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
