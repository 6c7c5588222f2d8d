"""Declare ``crackseg models``."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from crackseg.cli.command import Command
from crackseg.errors import EXIT_DONE

if TYPE_CHECKING:
    from crackseg.cli.console import Console
    from crackseg.modelcard.card import ModelCard


@dataclass(frozen=True)
class Models(Command["tuple[ModelCard, ...]"]):
    """List the shipped models with their terms, scores and limits."""

    examples = ("crackseg models --json",)
    presentation = ("json",)

    def run(self) -> "tuple[ModelCard, ...]":
        """Read the cards of the shipped models."""
        from crackseg.prediction.loading import shipped_card, shipped_models

        return tuple(shipped_card(name) for name in shipped_models())

    def show(self, result: "tuple[ModelCard, ...]", console: "Console") -> int:
        """Print the cards, terms first."""
        values = {"models": [{**asdict(card), "free": is_free(card.terms)} for card in result]}
        console.result(values, "\n".join(line for card in result for line in _lines(card)))
        return EXIT_DONE


_OPEN_LICENCES = ("MIT", "Apache", "BSD", "CC0", "CC BY 4.0", "public domain")


def is_free(terms: str) -> bool:
    """Return True if the terms allow any use, also commercial use."""
    limited = any(word in terms.lower() for word in ("research", "commerc", "education", "without a stated licence"))
    return not limited and any(licence in terms for licence in _OPEN_LICENCES)


def _lines(card: "ModelCard") -> list[str]:
    lines = [f"{card.name}: {'free to use' if is_free(card.terms) else 'RESTRICTED'}", f"  terms: {card.terms}"]
    network = f"{card.network.get('arch')} {card.network.get('encoder')}"
    images = sum(int(entry.get("images", 0)) for entry in card.data)
    lines.append(f"  network: {network}, threshold {card.threshold:g}, context {card.context_px} px, {images} images")
    for split, groups in card.scores.items():
        for group, scores in groups.items():
            lines.append(f"  {split} {group}: " + ", ".join(f"{key} {value}" for key, value in scores.items()))
    return [*lines, *(f"  fails: {sentence}" for sentence in card.limits)]
