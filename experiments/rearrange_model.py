"""Rewrite the graphs of the shipped models as `crackseg.exporting.onnx_graph` does.

    python experiments/rearrange_model.py NAME [NAME ...] [--data DIR ...] [--every 16] [--dry-run]

Weights and card stay as they are, except for the hashes. The new graph is compared with the old one on generated
walls, and on every n-th test image of the folders. A model whose probabilities move by more than 1e-4 is not written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnx
from ship_model import write

import data_gen
from crackseg.datasets.samples import find_all_samples, read_sample
from crackseg.exporting.onnx_graph import optimise_graph
from crackseg.exporting.parity import ParityLimits, compare
from crackseg.prediction.loading import find_model, shipped_card
from crackseg.runtimes.onnx import OnnxPredictor, with_card

LIMITS = ParityLimits(difference=1e-4, changed=1e-5, f1_loss=0.0005)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--every", type=int, default=16)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    walls = [data_gen.generate_sample(data_gen.Recipe(size=512), seed=6, index=index) for index in range(4)]
    samples = [(wall.image, wall.mask) for wall in walls]
    if options.data:
        samples += [read_sample(sample) for sample in find_all_samples(options.data, "test")[:: options.every]]
    for name in options.names:
        before, card = find_model(name).read(), shipped_card(name)
        model = onnx.load_model_from_string(before)
        optimise_graph(model, card.stride)
        onnx.checker.check_model(model)
        after = with_card(model.SerializeToString(), card)
        parity = compare(
            OnnxPredictor(before, name=name), OnnxPredictor(after, name=name), samples, threshold=card.threshold
        )
        print(f"{name}: {parity.describe()}", flush=True)
        parity.check(LIMITS)
        if not options.dry_run:
            write(after, card)


if __name__ == "__main__":
    main()
