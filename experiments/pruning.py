"""Compare F1 and time of one trained U-Net++ at every depth that it can be cut to.

    crackseg train --config configs/train/unetplusplus.yaml --data D --output nested --minutes 30
    python experiments/pruning.py --run nested --data D [--val V] [--out cut]

Each depth becomes a separate network with its own threshold, chosen on the ``val`` parts. Without a ``val`` part, the
images that the training held out are used. The ``test`` parts are scored. The time is processor seconds for one image
of 1024x1024 px, one thread, float32, the lowest of three. With ``--out``, each depth is written as a checkpoint that
crackseg predicts from.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import torch

from crackseg.datasets.samples import Sample, find_all_samples, hold_out, read_sample
from crackseg.files import make_folder
from crackseg.imaging.codec import ArrayImage
from crackseg.metrics.counts import Counts
from crackseg.metrics.tolerance import ToleranceCounts
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import load_state, read_card, read_weights, save_weights
from crackseg.networks.config import NetworkConfig
from crackseg.networks.factory import SegmentationNetwork, build_network, prune
from crackseg.networks.receptive_field import FALLBACK_CONTEXT_PX, measure_context
from crackseg.prediction.tiled import predict_probability
from crackseg.runtimes.predictor import Predictor
from crackseg.runtimes.torch import TorchPredictor
from crackseg.training.validation import sum_counts, validate

SIDE_PX = 1024
TOLERANCE_PX = 2.0


def cpu_seconds(network: SegmentationNetwork) -> float:
    image = torch.zeros((1, 3, SIDE_PX, SIDE_PX)).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(3):
            start = time.process_time()
            network(image)
            times.append(time.process_time() - start)
    return min(times)


def score(predictor: Predictor, samples: Sequence[Sample], threshold: float) -> tuple[float, float]:
    """Return F1 of all crack pixels together, and F1 within 2 px."""
    exact, near = [], []
    for sample in samples:
        image, true = read_sample(sample)
        called = predict_probability(ArrayImage(image), predictor) >= threshold
        exact.append(Counts.of(called, true))
        near.append(ToleranceCounts.of(called, true, tolerance_px=TOLERANCE_PX))
    return reduce(Counts.__add__, exact).f1, reduce(ToleranceCounts.__add__, near).f1


def cut(whole: SegmentationNetwork, card: ModelCard, depth: int) -> tuple[SegmentationNetwork, ModelCard]:
    config = NetworkConfig.model_validate(card.network)
    network, smaller = prune(whole, config, depth)
    context = measure_context(network.network.eval(), stride=network.stride)
    return network, dataclasses.replace(
        card,
        name=f"{card.name}-depth{depth}",
        network=smaller.model_dump(mode="json"),
        stride=smaller.stride,
        context_px=FALLBACK_CONTEXT_PX if context is None else context,
        context_exact=context is not None,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--val", type=Path, action="append")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.run / "best.safetensors"
    card = read_card(path)
    config = NetworkConfig.model_validate(card.network)
    whole = build_network(config)
    load_state(whole, read_weights(path))
    if options.val:
        validation = find_all_samples(options.val, "val")
    else:
        validation = hold_out(find_all_samples(options.data, "train"), 0.1)[1]
    tests = find_all_samples(options.data, "test")
    print("| depth | parameters | seconds, 1024x1024 | threshold | F1 | F1 within 2 px |")
    print("|---|---|---|---|---|---|")
    for depth in range(1, len(config.decoder_channels)):
        network, own = cut(whole, card, depth)
        predictor = TorchPredictor(network, own, device=torch.device("cpu"))
        threshold = sum_counts(validate(predictor, validation)).crack.best_threshold()
        f1, f1_near = score(predictor, tests, threshold)
        parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        seconds = cpu_seconds(network)
        print(
            f"| {depth} | {parameters:.2f} M | {seconds:.2f} | {threshold:g} | {f1:.3f} | {f1_near:.3f} |", flush=True
        )
        if options.out is not None:
            file = make_folder(options.out) / f"depth{depth}.safetensors"
            save_weights(file, network, dataclasses.replace(own, threshold=threshold))


if __name__ == "__main__":
    main()
