"""``crackseg models``."""

from __future__ import annotations

from crackseg.cli.options import JsonFlag, print_json


def models(json: JsonFlag = False) -> None:
    """List the models that ship with the package, with their cards.

    Example: crackseg models --json
    """
    import dataclasses

    from crackseg.prediction.loading import shipped_card, shipped_models

    cards = [shipped_card(name) for name in shipped_models()]
    if json:
        print_json({"models": [dataclasses.asdict(card) for card in cards]})
        return
    for card in cards:
        network = f"{card.network.get('arch')} {card.network.get('encoder')}"
        images = sum(int(entry.get("images", 0)) for entry in card.data)
        print(f"{card.name}: {network}, threshold {card.threshold:g}, context {card.context_px} px, {images} images")
        for split, groups in card.scores.items():
            for group, scores in groups.items():
                print(f"  {split} {group}: " + ", ".join(f"{key} {value}" for key, value in scores.items()))
        for sentence in card.limits:
            print(f"  fails: {sentence}")
        print(f"  terms: {card.terms}")
