"""Check that the shipped models still reach the scores on their cards.

    python experiments/check_card.py --data DIR [--data DIR ...] [--model NAME ...]

Scores the test part of each folder as `crackseg evaluate --protocol native` does and rounds as `ship_model.py` does.
Prints each score that differs; the exit code is 1 if any differs. A folder that a card does not name is an error.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ship_model import rounded

from crackseg.datasets.samples import find_all_samples
from crackseg.evaluation import count_samples
from crackseg.prediction.loading import load_model, shipped_card, shipped_models


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--model", action="append", help="all shipped models by default")
    options = parser.parse_args()
    differing = 0
    for name in options.model or shipped_models():
        card_scores = shipped_card(name).scores["test"]
        for group, result in count_samples(load_model(name), find_all_samples(options.data, "test")).items():
            if group not in card_scores:
                raise SystemExit(
                    f"the card of {name} has no scores of {group}; expected one of {', '.join(card_scores)}"
                )
            scores = rounded(result)
            wrong = [
                key
                for key in card_scores[group].keys() | scores.keys()
                if card_scores[group].get(key) != scores.get(key)
            ]
            differing += len(wrong)
            print(f"{name}, {group}: {len(scores) - len(wrong)} of {len(scores)} scores are those of the card")
            for key in sorted(wrong):
                print(f"  {key}: card {card_scores[group].get(key)}, scores {scores.get(key)}")
    raise SystemExit(1 if differing else 0)


if __name__ == "__main__":
    main()
