"""The plainest form of the commonest command, read without typer, whose import takes longer than reading an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crackseg.cli.predict_run import PredictOptions

_PATHS = {"-o": "output", "--output": "output"}
_TEXTS = {"--model": "model", "--device": "device", "--formats": "formats"}
_FLAGS = {
    "--probability": "probability",
    "--json": "json",
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
}


def plain_predict(arguments: Sequence[str]) -> PredictOptions | None:
    """Return what the arguments of `crackseg predict` say, or None where typer has to look at them.

    Numbers, choices, short forms, ``--help`` and all that may be wrong are left to typer, its messages with them.

    Args:
        arguments: What follows the name of the command.
    """
    images: list[Path] = []
    said: dict[str, Any] = {}
    waiting = iter(arguments)
    for text in waiting:
        if text in _FLAGS:
            said[_FLAGS[text]] = True
        elif text in _PATHS or text in _TEXTS:
            value = next(waiting, "")
            if not value or value.startswith("-"):
                return None
            said[_PATHS.get(text) or _TEXTS[text]] = Path(value) if text in _PATHS else value
        elif not text or text.startswith("-"):
            return None
        else:
            images.append(Path(text))
    return PredictOptions(images=images, **said) if images else None
