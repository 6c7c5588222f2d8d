"""Train every loss with every network and several seeds, and put mean and deviation into one table.

    python experiments/sweep.py --data deepcrack256 --data cfd --out sweep --loss bce+dice --loss bce+dice+0.3*cldice \\
        --network unet:mobilenet_v2 --network fcn:mobilenet_v2 --seeds 0 1 2 --minutes 4

A loss is a sum of keys of ``loss``, each with an optional factor; all other losses are 0. A network is an architecture
and an encoder. Every run trains on the ``train`` parts of the data folders and chooses its threshold on the images it
holds out. It is scored once on their ``test`` parts, by protocol native. Seeds are the outer loop, so a table of one
seed is complete first. A stopped sweep continues with the same command. OUT holds the table as sweep.md, sweep.tex and
sweep.csv (a row for each run and score), the runs, and scores.json. Runs of equal minutes compare only on one machine
under the same load; ``--set schedule.epochs=N --minutes 0`` compares equal numbers of images instead.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tables import shown

from crackseg.config import load_config
from crackseg.datasets.samples import Sample, find_all_samples, hold_out
from crackseg.evaluation.report import evaluate_model
from crackseg.evaluation.request import EvaluationRequest
from crackseg.evaluation.scoreboard import ScoreTable, table_to_latex, table_to_markdown
from crackseg.files import make_folder, write_bytes
from crackseg.prediction.loading import load_model
from crackseg.training.config import TrainConfig
from crackseg.training.loss_config import LossConfig
from crackseg.training.run import TrainingData, train

SCORES = {"f1": "F1", "f1_2px": "F1 2 px"}
"""Scores of the table, with their titles; sweep.csv has all scores."""

_NOT_LOSSES = {"positive_weight"}
_COLUMNS = ("loss", "network", "seed", "steps", "threshold", "data", "score", "value", "low", "high")

Run = dict[str, Any]
"""A run: "loss", "network", "seed", "steps", "threshold" and its "rows" of scores."""


def loss_settings(text: str) -> list[str]:
    """Return the settings of a loss such as ``bce+0.5*dice``."""
    known = [name for name in LossConfig.model_fields if name not in _NOT_LOSSES]
    weights = dict.fromkeys(("bce", "dice"), "0")
    for term in text.split("+"):
        factor, _, name = term.rpartition("*")
        if name not in known:
            raise SystemExit(f"--loss {text}: no loss '{name}'; use {', '.join(known)}")
        weights[name] = str(float(factor or 1))
    return [f"loss.{name}={weight}" for name, weight in weights.items()]


def network_settings(text: str) -> list[str]:
    """Return the settings of a network such as ``unet:mobilenet_v2`` or ``fcn``."""
    architecture, _, encoder = text.partition(":")
    return [f"network.arch={architecture}", *([f"network.encoder={encoder}"] if encoder else [])]


def configure(loss: str, network: str, seed: int, options: argparse.Namespace) -> TrainConfig:
    """Return the configuration of a run."""
    minutes = [f"schedule.minutes={options.minutes}"] if options.minutes else []
    settings = [f"seed={seed}", *minutes, *network_settings(network), *loss_settings(loss), *options.set]
    config = load_config(TrainConfig, overrides=settings)
    inits = dict(pair.split("=", 1) for pair in options.init)
    init = inits.get(config.network.encoder)
    return config if init is None else config.model_copy(update={"init": init})


def run_one(loss: str, network: str, seed: int, options: argparse.Namespace, test: Sequence[Sample]) -> Run:
    """Train and score one loss and network with one seed."""
    config = configure(loss, network, seed, options)
    data = TrainingData(*hold_out(find_all_samples(options.data, "train"), config.data.validation_fraction))
    folder = options.out / "runs" / re.sub(r"[^\w.+-]", "-", f"{network}-{loss}-{seed}")
    result = train(config, data, folder, resume=True)
    if not result.finished:
        raise SystemExit(130)
    report = evaluate_model(load_model(folder), test, EvaluationRequest(), name=folder.name)
    return {
        "loss": loss,
        "network": network,
        "seed": seed,
        "steps": result.card.training["steps"],
        "threshold": report.threshold,
        "rows": [{key: row[key] for key in ("data", "score", "value", "low", "high")} for row in report.rows()],
    }


def build_table(runs: Sequence[Run]) -> ScoreTable:
    """Return mean and standard deviation over the seeds."""
    sets = list(dict.fromkeys(row["data"] for run in runs for row in run["rows"]))
    columns = list(itertools.product(sets, SCORES))
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run["network"], run["loss"]), []).append(run)
    rows = []
    for (network, loss), members in sorted(groups.items()):
        steps = f"{statistics.mean(run['steps'] for run in members):.0f}"
        cells = (_cell(members, data, score) for data, score in columns)
        rows.append((network, loss, str(len(members)), steps, *cells))
    head = ("network", "loss", "seeds", "steps", *(f"{data}, {SCORES[score]}" for data, score in columns))
    return ScoreTable("mean ± standard deviation over the seeds", head, tuple(rows), named=2)


def _cell(runs: Sequence[Run], data: str, score: str) -> str:
    entries = (row for run in runs for row in run["rows"] if (row["data"], row["score"]) == (data, score))
    values = [row["value"] for row in entries if row["value"] is not None]
    return shown(values) if values else "-"


def write_tables(out: Path, runs: Sequence[Run]) -> str:
    """Write the tables, and return the one for a person."""
    table = build_table(runs)
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(run | row for run in runs for row in run["rows"])
    markdown = table_to_markdown(table)
    files = {"md": f"{markdown}\n", "tex": f"{table_to_latex(table)}\n".replace("±", r"$\pm$"), "csv": text.getvalue()}
    for suffix, content in files.items():
        write_bytes(out / f"sweep.{suffix}", content.encode())
    return markdown


def read_runs(path: Path, settings: Mapping[str, Any]) -> list[Run]:
    """Return the finished runs; refuse those of other settings."""
    if not path.exists():
        return []
    content = json.loads(path.read_text())
    if content["settings"] != settings:
        raise SystemExit(f"{path}: holds a sweep with other settings: {content['settings']}; choose another --out")
    runs: list[Run] = content["runs"]
    return runs


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--loss", action="append", required=True, metavar="bce+0.5*dice")
    parser.add_argument("--network", action="append", required=True, metavar="ARCH[:ENCODER]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=10, help="of each training; 0 for none")
    parser.add_argument("--init", action="append", default=[], metavar="ENCODER=FILE")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=v", help="changed in every run")
    options = parser.parse_args(arguments)
    combinations = list(itertools.product(options.seeds, options.network, options.loss))
    for seed, network, loss in combinations:
        configure(loss, network, seed, options)  # a wrong name ends the sweep before its first training
    settings = {
        "data": [str(folder.resolve()) for folder in options.data],
        "minutes": options.minutes,
        "init": options.init,
        "set": options.set,
    }
    kept = make_folder(options.out) / "scores.json"
    runs = read_runs(kept, settings)
    test = find_all_samples(options.data, "test")
    if set(test) & set(find_all_samples(options.data, "train")):
        raise SystemExit("--data: a folder has no test part of its own; divide it into train/ and test/")
    for seed, network, loss in combinations:
        if any((run["seed"], run["network"], run["loss"]) == (seed, network, loss) for run in runs):
            continue
        print(f"{network}, {loss}, seed {seed}", flush=True)
        runs.append(run_one(loss, network, seed, options, test))
        write_bytes(kept, json.dumps({"settings": settings, "runs": runs}, indent=1).encode())
        print(write_tables(options.out, runs), flush=True)
    if runs:
        write_tables(options.out, runs)


if __name__ == "__main__":
    main()
