"""Put the model of a run into the package, and its scores on test images into its card.

    python benchmarks/ship_model.py RUN NAME --data DIR [--data DIR ...]

Writes crackseg/weights/NAME.onnx and NAME.json beside it: the run's card, the scores of `crackseg evaluate` on the test
part of each folder, and the sha256 of the model.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path

from crackseg.card import ModelCard
from crackseg.dataset import find_all_samples
from crackseg.evaluation import Evaluation, evaluate
from crackseg.files import write_bytes
from crackseg.models import RUN_MODEL, load_model

WEIGHTS = Path(__file__).parents[1] / "crackseg" / "weights"
MAX_BYTES = 10_000_000


def rounded(result: Evaluation) -> dict[str, float | int | None]:
    scores = {key: None if value is None else round(value, 4) for key, value in result.scores().items()}
    return {"images": result.images, **scores}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, action="append", required=True)
    options = parser.parse_args()
    source = options.run / RUN_MODEL
    data = source.read_bytes()
    if len(data) > MAX_BYTES:
        raise SystemExit(f"{source} holds {len(data)} bytes, and at most {MAX_BYTES} ship")
    results = evaluate(load_model(source), find_all_samples(options.data, "test"))
    card = ModelCard.from_json((options.run / "card.json").read_text(), where=str(options.run))
    scores = {**card.scores, "test": {group: rounded(result) for group, result in results.items()}}
    card = dataclasses.replace(card, name=options.name, scores=scores)
    entry = {**dataclasses.asdict(card), "sha256": hashlib.sha256(data).hexdigest()}
    write_bytes(WEIGHTS / f"{options.name}.onnx", data)
    write_bytes(WEIGHTS / f"{options.name}.json", (json.dumps(entry, indent=2) + "\n").encode())
    print(json.dumps(scores["test"], indent=2))


if __name__ == "__main__":
    main()
