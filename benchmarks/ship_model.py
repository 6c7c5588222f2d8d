"""Put the model of a run into the package, and its scores on test images into its card.

    python benchmarks/ship_model.py RUN NAME --data DIR [--data DIR ...] [--terms TEXT] [--limit TEXT ...]

Writes crackseg/weights/NAME.onnx and NAME.json beside it: the run's card, the scores of `crackseg evaluate` on the test
part of each folder, F1 with its 95 % interval over images, and the sha256 of the model. The card inside the model is
the same one.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import onnx

from crackseg.card import ModelCard
from crackseg.dataset import find_all_samples
from crackseg.evaluation import Evaluation, evaluate
from crackseg.evaluation.table import HEADLINE
from crackseg.files import write_bytes
from crackseg.models import RUN_MODEL, load_model
from crackseg.nn.checkpoint import CARD_KEY

WEIGHTS = Path(__file__).parents[1] / "crackseg" / "weights"
MAX_BYTES = 10_000_000
WITH_INTERVAL = ("f1", "f1_2px", "false_alarm")


def rounded(result: Evaluation) -> dict[str, Any]:
    """Return the scores of a set to four digits, those of `WITH_INTERVAL` with their intervals."""
    scores: dict[str, Any] = {"images": result.images}
    for key, estimate in result.estimates(HEADLINE).items():
        scores[key] = None if estimate.value is None else round(estimate.value, 4)
        if key in WITH_INTERVAL and estimate.interval is not None:
            scores[f"{key}_95"] = [round(end, 4) for end in estimate.interval]
    return scores


def with_card(data: bytes, card: ModelCard) -> bytes:
    """Return an ONNX model with another card inside."""
    model = onnx.load_model_from_string(data)
    for entry in model.metadata_props:
        if entry.key == CARD_KEY:
            entry.value = card.to_json(indent=None)
    return bytes(model.SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--terms", help="what the licences of the data ask of users; the run's own by default")
    parser.add_argument("--limit", action="append", help="where it fails, a sentence; repeatable")
    options = parser.parse_args()
    source = options.run / RUN_MODEL
    results = evaluate(load_model(source), find_all_samples(options.data, "test"))
    card = ModelCard.from_json((options.run / "card.json").read_text(), where=str(options.run))
    card = dataclasses.replace(
        card,
        name=options.name,
        scores={**card.scores, "test": {group: rounded(result) for group, result in results.items()}},
        terms=options.terms or card.terms,
        limits=tuple(options.limit or card.limits),
    )
    data = with_card(source.read_bytes(), card)
    if len(data) > MAX_BYTES:
        raise SystemExit(f"{source} holds {len(data)} bytes, and at most {MAX_BYTES} ship")
    entry = {**dataclasses.asdict(card), "sha256": hashlib.sha256(data).hexdigest()}
    write_bytes(WEIGHTS / f"{options.name}.onnx", data)
    write_bytes(WEIGHTS / f"{options.name}.json", (json.dumps(entry, indent=2) + "\n").encode())
    print(json.dumps(card.scores["test"], indent=2))


if __name__ == "__main__":
    main()
