"""Compare training variants that differ in one setting, at equal minutes.

    python experiments/ablation.py --data deepcrack256 --data cfd --out ablation --minutes 10 --seeds 0 1 2 \\
        --init mobilenet_v2=mobilenet_v2.pth --init resnet18=resnet18.pth

Every row trains on the ``train`` parts of all data folders and chooses its threshold on the images it holds out. It
is scored once on their ``test`` parts: F1 of the pooled crack pixels of a set, and F1 within 2 px. Seeds are the
outer loop, so a table of one seed is complete first. A stopped run continues and finished scores are kept. Several
processes may fill one OUT, each with different seeds or rows. The table is printed after every run and kept in
OUT/ablation.md. Compare only trainings of one machine under the same load: the table lists the steps that each
reached.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from tables import shown

from crackseg.config import load_config
from crackseg.datasets.samples import find_all_samples, hold_out, read_sample
from crackseg.files import make_folder, write_bytes
from crackseg.imaging.codec import ArrayImage
from crackseg.metrics.counts import Counts
from crackseg.metrics.tolerance import ToleranceCounts
from crackseg.networks.checkpoint import read_card
from crackseg.prediction.tiled import predict_probability
from crackseg.runtimes.torch import load_torch_predictor
from crackseg.training.config import TrainConfig
from crackseg.training.loop import TrainingProgress
from crackseg.training.run import TrainingData, train

TOLERANCE_PX = 2.0

ROWS: dict[str, tuple[str, ...]] = {
    "BCE + Dice": (),
    "+ border": ("loss.border={w0: 10, sigma: 5}",),
    "+ clDice": ("loss.cldice={weight: 0.3}",),
    "+ boundary": ("loss.boundary=0.01",),
    "+ border + clDice": ("loss.border={w0: 10, sigma: 5}", "loss.cldice={weight: 0.3}"),
    "no elastic": ("augment.elastic=0",),
    "elastic 0.5": ("augment.elastic=0.5",),
    "random weights": ("init=null",),
    "ResNet-18": ("network.encoder=resnet18",),
    "FCN-8s": ("network.arch=fcn",),
    "FCN-32s": ("network.arch=fcn", "network.variant=32s"),
    "U-Net++": ("network.arch=unetplusplus",),
}
"""Each row, and what it changes of the first."""

Scores = dict[str, Any]


def run_row(name: str, seed: int, options: argparse.Namespace, inits: Mapping[str, str]) -> Scores:
    """Train and score one row with one seed."""
    common = [f"seed={seed}", f"schedule.minutes={options.minutes}", "data.mix=even", *options.set]
    config = load_config(TrainConfig, overrides=[*common, *ROWS[name]])
    if config.network.encoder in inits and "init=null" not in ROWS[name]:
        config = config.model_copy(update={"init": inits[config.network.encoder]})
    data = TrainingData(*hold_out(find_all_samples(options.data, "train"), config.data.validation_fraction))
    folder = options.out / f"{name.replace(' ', '').replace('+', '-').lower()}-{seed}"

    def report(progress: TrainingProgress) -> None:
        if progress.row is not None:
            f1 = progress.row["f1"]
            print(f"{name}, seed {seed}: step {progress.step}, validation F1 {f1:.3f}", flush=True)

    result = train(config, data, folder, resume=True, progress=report)
    if not result.finished:
        raise SystemExit(130)
    return {
        "steps": result.card.training["steps"],
        "threshold": result.card.threshold,
        "validation": result.card.scores["validation"]["all"]["f1"],
        "test": score(folder, options.data),
    }


def score(run: Path, folders: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Score a run on the test parts of data folders."""
    path = run / "best.safetensors"
    predictor, threshold = load_torch_predictor(path), read_card(path).threshold
    exact: dict[str, list[Counts]] = {}
    near: dict[str, list[ToleranceCounts]] = {}
    for sample in find_all_samples(folders, "test"):
        image, true = read_sample(sample)
        called = predict_probability(ArrayImage(image), predictor) >= threshold
        exact.setdefault(sample.group, []).append(Counts.of(called, true))
        near.setdefault(sample.group, []).append(ToleranceCounts.of(called, true, tolerance_px=TOLERANCE_PX))
    return {
        group: {
            "f1": reduce(Counts.__add__, counts).f1,
            "f1_2px": reduce(ToleranceCounts.__add__, near[group]).f1,
        }
        for group, counts in exact.items()
    }


def read_scores(path: Path) -> dict[str, dict[str, Scores]]:
    """Return what is scored, by row and seed."""
    return json.loads(path.read_text()) if path.exists() else {}


def table(scores: Mapping[str, Mapping[str, Scores]], groups: Sequence[str]) -> str:
    """Return the table: means and standard deviations over the seeds."""
    lines = [
        f"| row | seeds | steps | validation | {' | '.join(f'{group}, F1 / 2 px' for group in groups)} |",
        f"|---|---|---|---|{'---|' * len(groups)}",
    ]
    for name in ROWS:
        runs = list(scores.get(name, {}).values())
        if not runs:
            continue
        cells = [
            " / ".join(shown([run["test"][group][key] for run in runs]) for key in ("f1", "f1_2px")) for group in groups
        ]
        steps = f"{statistics.mean(run['steps'] for run in runs):.0f}"
        validation = shown([run["validation"] for run in runs])
        lines.append(f"| {name} | {len(runs)} | {steps} | {validation} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--init", action="append", default=[], metavar="ENCODER=FILE")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=v", help="changed in every row")
    options = parser.parse_args()
    inits = dict(pair.split("=", 1) for pair in options.init)
    kept = make_folder(options.out) / "scores.json"
    groups = list(dict.fromkeys(sample.group for sample in find_all_samples(options.data, "test")))
    for seed in options.seeds:
        for name in options.rows:
            if str(seed) in read_scores(kept).get(name, {}):
                continue
            done = run_row(name, seed, options, inits)
            scores = read_scores(kept)
            scores.setdefault(name, {})[str(seed)] = done
            write_bytes(kept, json.dumps(scores, indent=1).encode())
            write_bytes(options.out / "ablation.md", (table(scores, groups) + "\n").encode())
            print(table(scores, groups), flush=True)


if __name__ == "__main__":
    main()
