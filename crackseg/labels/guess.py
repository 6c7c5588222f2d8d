"""Which dialect a column of RLEs is written in, judged by what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from crackseg.errors import LabelError
from crackseg.labels.rle import DIALECTS, Dialect, Shape, decode_pairs, parse_numbers

_SAMPLES = 40


@dataclass(frozen=True, slots=True)
class DialectGuess:
    """How well a dialect explains a column of RLEs.

    Attributes:
        dialect: The dialect.
        read: How many of the RLEs it reads; what does not fit the shape or overlaps is not read.
        total: How many there are, empty ones aside.
        components: 8-connected parts in all that it reads. The wrong order tears cracks to pieces.
        seams: Runs that go over the border of the image, from the end of one column or row into the next. The wrong
            first pixel pushes cracks that touch a border over it.
        reason: All this in words.
    """

    dialect: Dialect
    read: int
    total: int
    components: int
    seams: int
    reason: str


def guess_dialect(rles: Sequence[str], shape: Shape) -> tuple[DialectGuess, ...]:
    """Rank the dialects of pairs by how well they explain some RLEs, the best first.

    The best reads most of them, then tears them into the fewest parts and pushes the fewest runs over the border.
    Between equals, the dialect that competitions use comes first; ``reason`` says so.

    Args:
        rles: Texts of ``start length`` pairs. Of more than some tens an even sample is taken.
        shape: Height and width of their masks, in pixels.
    """
    used = [text for text in rles if text.strip()]
    used = used[:: max(1, -(-len(used) // _SAMPLES))]
    found = [_judge(used, shape, dialect) for dialect in DIALECTS]
    ranked = sorted(found, key=_rank)
    ties = [guess for guess in ranked[1:] if _rank(guess) == _rank(ranked[0])]
    if ties:
        others = " and ".join(str(guess.dialect) for guess in ties)
        ranked[0] = replace(ranked[0], reason=f"{ranked[0].reason}; {others} would do as well")
    return tuple(ranked)


def _rank(guess: DialectGuess) -> tuple[int, int]:
    return -guess.read, guess.components + guess.seams


def _judge(rles: Sequence[str], shape: Shape, dialect: Dialect) -> DialectGuess:
    read, components, seams = 0, 0, 0
    refused = ""
    line = shape[0] if dialect.order == "column" else shape[1]
    for text in rles:
        try:
            numbers = parse_numbers(text)
            mask = decode_pairs(numbers, shape, dialect)
        except LabelError as error:
            refused = refused or error.what
            continue
        read += 1
        components += cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[0] - 1
        starts = numbers[0::2] - dialect.first
        seams += int(np.count_nonzero(starts // line != (starts + numbers[1::2] - 1) // line))
    reason = f"reads {read} of {len(rles)}, {components} parts, {seams} runs over the border"
    if refused:
        reason += f"; refused: {refused}"
    return DialectGuess(dialect, read, len(rles), components, seams, reason)
