"""Average the weights of several trainings of one network into a run folder.

    python experiments/average_weights.py WEIGHTS WEIGHTS ... --data DIR [--data DIR ...] --out RUN
        [--validation-fraction 0.05]

WEIGHTS are run folders, checkpoints, ONNX models of crackseg, or the ``resume.safetensors`` of a stopped training,
whose running average counts. The trainings must have started from one another's weights; otherwise their mean is
worse than each of them. A single network stays unchanged.

The mean is scored on the validation images that ``crackseg train`` would have held out of these folders, which gives
its threshold. Its card is that of the last training with these scores. The script prints F1 of every folder with
cracks at the threshold, and their mean.

Source:
    Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
    inference time", ICML 2022, the uniform soup.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path

import torch

from crackseg.datasets.samples import find_all_samples, hold_out
from crackseg.exporting.from_torch import export_onnx
from crackseg.files import make_folder, write_bytes
from crackseg.modelcard.card import ModelCard
from crackseg.networks.checkpoint import load_network, load_state, save_weights
from crackseg.networks.factory import SegmentationNetwork
from crackseg.prediction.loading import RUN_MODEL, find_weights
from crackseg.runtimes.torch import TorchPredictor
from crackseg.training.resume import RESUME_FILE, ResumeState
from crackseg.training.validation import sum_by_group, sum_counts, validate

AVERAGE = "average."


def load(path: Path) -> tuple[SegmentationNetwork, ModelCard]:
    """Load a model, or the running average of a stopped training."""
    if path.name != RESUME_FILE:
        return load_network(path)
    network, card = load_network(path.with_name("best.safetensors"))
    tensors = ResumeState.load(path).tensors.items()
    load_state(network, {name.removeprefix(AVERAGE): tensor for name, tensor in tensors if name.startswith(AVERAGE)})
    return network, card


def mean_network(paths: list[Path]) -> tuple[SegmentationNetwork, ModelCard]:
    """Return the averaged network with the card of the last file."""
    states = []
    for path in paths:
        network, card = load(path)
        states.append(network.state_dict())
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0) if tensor.is_floating_point() else tensor
        for name, tensor in states[-1].items()
    }
    network.load_state_dict(mean)
    return network, card


def _run_name(path: Path) -> str:
    """Return the name of a run or of a file in it."""
    return path.name if path.is_dir() else f"{path.resolve().parent.name}/{path.name}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("weights", nargs="+")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--validation-fraction", type=float, default=0.05)
    options = parser.parse_args()
    network, card = mean_network([find_weights(source) for source in options.weights])
    _, samples = hold_out(find_all_samples(options.data, "train"), options.validation_fraction)
    counts = validate(TorchPredictor(network, card, device=torch.device("cpu")), samples)
    threshold = sum_counts(counts).crack.steady_threshold(card.threshold)
    groups = {"all": sum_counts(counts), **sum_by_group(samples, counts)}
    scores = {group: part.scores_at(threshold) for group, part in groups.items()}
    f1 = {group: part.crack.counts_at(threshold).f1 for group, part in groups.items() if part.crack.images}
    card = dataclasses.replace(
        card,
        name=options.out.name,
        threshold=threshold,
        scores={"validation": {group: {k: round(v, 4) for k, v in part.items()} for group, part in scores.items()}},
        training={**card.training, "mean_of": [_run_name(Path(source)) for source in options.weights]},
    )
    save_weights(make_folder(options.out) / "best.safetensors", network, card)
    export_onnx(network, options.out / RUN_MODEL, card)
    write_bytes(options.out / "card.json", (card.to_json() + "\n").encode())
    single = [value for group, value in f1.items() if group != "all" and not math.isnan(value)]
    print(f"threshold {threshold}: " + ", ".join(f"{group} {value:.4f}" for group, value in f1.items()))
    print(f"mean of {len(single)} folders with cracks {sum(single) / len(single):.4f}")


if __name__ == "__main__":
    main()
