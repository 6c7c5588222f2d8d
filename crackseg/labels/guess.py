"""Guess the dialect of a column of RLEs from the masks that they decode to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from crackseg.errors import LabelError
from crackseg.labels.rle import DIALECTS, Dialect, decode_pairs
from crackseg.labels.runs import Shape, parse_numbers

_SAMPLES = 40


@dataclass(frozen=True, slots=True)
class DialectGuess:
    """Quality of a dialect as the explanation of a column of RLEs.

    Attributes:
        dialect: The dialect.
        read: Number of RLEs that decode; runs that do not fit the shape or intersect are errors.
        total: Number of RLEs that are not empty.
        components: Number of 8-connected components in all masks. The wrong order splits cracks into many.
        seams: Number of runs that continue from the end of one column or row into the next. The wrong first pixel
            shifts cracks over the image border.
        reason: These numbers as a sentence.
    """

    dialect: Dialect
    read: int
    total: int
    components: int
    seams: int
    reason: str


def guess_dialect(rles: Sequence[str], shape: Shape) -> tuple[DialectGuess, ...]:
    """Rank the dialects by how well they explain some RLEs.

    The best dialect decodes the most RLEs, then gives the fewest components and seams. If dialects are equal, the one
    that competitions use comes first, and ``reason`` names the others.

    Args:
        rles: Texts of ``start length`` pairs; an even sample of about forty is used.
        shape: Height and width ``(H, W)`` of their masks, in pixels.

    Returns:
        One guess for each dialect, the best first.

    Example:
        >>> str(guess_dialect(["0 2", "8 1"], (3, 3))[0].dialect)
        'column-major, 0-based'
    """
    texts = [text for text in rles if text.strip()]
    texts = texts[:: max(1, -(-len(texts) // _SAMPLES))]
    ranked = sorted((_try_dialect(texts, shape, dialect) for dialect in DIALECTS), key=_rank)
    ties = [guess for guess in ranked[1:] if _rank(guess) == _rank(ranked[0])]
    if ties:
        others = " and ".join(str(guess.dialect) for guess in ties)
        ranked[0] = replace(ranked[0], reason=f"{ranked[0].reason}; tied with {others}")
    return tuple(ranked)


def _rank(guess: DialectGuess) -> tuple[int, int]:
    return -guess.read, guess.components + guess.seams


def _try_dialect(rles: Sequence[str], shape: Shape, dialect: Dialect) -> DialectGuess:
    read, components, seams = 0, 0, 0
    problem = ""
    line = shape[0] if dialect.order == "column" else shape[1]
    for text in rles:
        try:
            numbers = parse_numbers(text)
            mask = decode_pairs(numbers, shape, dialect)
        except LabelError as error:
            problem = problem or error.what
            continue
        read += 1
        components += cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[0] - 1
        starts = numbers[0::2] - dialect.first
        seams += int(np.count_nonzero(starts // line != (starts + numbers[1::2] - 1) // line))
    reason = f"reads {read} of {len(rles)}, {components} components, {seams} runs over the image border"
    if problem:
        reason += f"; first error: {problem}"
    return DialectGuess(dialect, read, len(rles), components, seams, reason)
