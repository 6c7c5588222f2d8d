"""Put the model of a run into the package, with its test scores in its card.

    python experiments/ship_model.py RUN NAME --data DIR [--data DIR ...] [--terms TEXT] [--limit TEXT ...]
    python experiments/ship_model.py --look NAME --data DIR [--data DIR ...]

Writes crackseg/weights/NAME.onnx with the card inside, and the same card as NAME.json. The card is the run's, with the
scores of `crackseg evaluate` on the test part of each folder and the sha256 of the model. F1 has its 95 % interval over
images.

The description of the training images (`crackseg.modelcard.domain`) is the run's own. If the run has none, it is
fitted to the train parts of the folders. ``--look`` fits it anew for a shipped model and changes nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from crackseg.datasets.samples import find_all_samples
from crackseg.evaluation import Evaluation, count_samples
from crackseg.evaluation.table import HEADLINE
from crackseg.files import write_bytes
from crackseg.modelcard.card import ModelCard
from crackseg.modelcard.domain import describe_files, fit_domain
from crackseg.prediction.loading import RUN_MODEL, load_model, shipped_card
from crackseg.runtimes.onnx import with_card

WEIGHTS = Path(__file__).parents[1] / "crackseg" / "weights"
MAX_BYTES = 10_000_000
WITH_INTERVAL = ("f1", "f1_2px", "false_alarm")


def rounded(result: Evaluation) -> dict[str, Any]:
    """Return the scores of a set to four digits, with intervals."""
    scores: dict[str, Any] = {"images": result.images}
    for key, estimate in result.estimates(HEADLINE).items():
        scores[key] = None if estimate.value is None else round(estimate.value, 4)
        if key in WITH_INTERVAL and estimate.interval is not None:
            scores[f"{key}_95"] = [round(end, 4) for end in estimate.interval]
    return scores


def look_of(folders: list[Path]) -> dict[str, Any]:
    """Return the description of some folders' train images."""
    groups: dict[str, list[Path]] = {}
    for sample in find_all_samples(folders, "train"):
        groups.setdefault(sample.group, []).append(sample.image)
    return fit_domain(list(describe_files(groups).values())).to_dict()


def write(data: bytes, card: ModelCard) -> None:
    """Write a model with its card into the package."""
    data = with_card(data, card)
    if len(data) > MAX_BYTES:
        raise SystemExit(f"{card.name} holds {len(data)} bytes, and at most {MAX_BYTES} ship")
    entry = {**dataclasses.asdict(card), "sha256": hashlib.sha256(data).hexdigest()}
    write_bytes(WEIGHTS / f"{card.name}.onnx", data)
    write_bytes(WEIGHTS / f"{card.name}.json", (json.dumps(entry, indent=2) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--look", action="store_true", help="only renew what a shipped model was trained on looks like")
    parser.add_argument("--terms", help="what the licences of the data ask of users; the run's own by default")
    parser.add_argument("--limit", action="append", help="where it fails, a sentence; repeatable")
    options = parser.parse_args()
    if options.look:
        card = dataclasses.replace(shipped_card(options.name), domain=look_of(options.data))
        write((WEIGHTS / f"{options.name}.onnx").read_bytes(), card)
        return
    source = options.run / RUN_MODEL
    results = count_samples(load_model(source), find_all_samples(options.data, "test"))
    card = ModelCard.from_json((options.run / "card.json").read_text(), where=str(options.run))
    card = dataclasses.replace(
        card,
        name=options.name,
        scores={**card.scores, "test": {group: rounded(result) for group, result in results.items()}},
        terms=options.terms or card.terms,
        limits=tuple(options.limit or card.limits),
        domain=card.domain or look_of(options.data),
    )
    write(source.read_bytes(), card)
    print(json.dumps(card.scores["test"], indent=2))


if __name__ == "__main__":
    main()
