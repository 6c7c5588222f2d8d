"""Finding pictures that a data set holds twice, also turned, mirrored, re-encoded or a little shifted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.fingerprint import Match, compare_images, hash_thumbnails, turn_image

MAX_DISTANCE_BITS = 12
"""Hashes that differ in more bits are of different pictures. Of two unrelated ones about 32 of 63 differ."""
MIN_CORRELATION = 0.7
"""Detail that correlates less is of different pictures; the copies met so far had .83 and more, others .5 and less."""
_MIN_THUMBNAIL_CORRELATION = 0.35
_MOST_CANDIDATES = 24
_LEAST_DEVIATION = 1.0
"""Thumbnails whose levels deviate less are as good as blank."""

PictureReader = Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two pictures that show the same.

    Attributes:
        first: Place of the one in the list that was searched.
        second: Place of the other, a later one.
        turn: What has to be done to the second to lie like the first; see `turn_image`.
        match: How alike they are.
    """

    first: int
    second: int
    turn: int
    match: Match


def find_duplicates(thumbnails: NDArray[np.uint8], read: PictureReader) -> list[Duplicate]:
    """Find pairs of pictures that show the same.

    Candidates come from their hashes, are compared by thumbnails and decided by their pixels. What overlaps by less
    than about nine tenths, such as neighbouring tiles, is not found, nor are pictures without structure. Each picture
    is compared with at most 24 later ones, the most similar, so that a thousand nearly blank ones end in time.

    Args:
        thumbnails: ``(N, 64, 64)`` grey ones of the pictures.
        read: Gives the ``(H, W, 3)`` pixels of a picture by its place.

    Returns:
        Pairs by place; of the eight ways to turn a picture the one that fits best.
    """
    best: dict[tuple[int, int], Duplicate] = {}
    last: tuple[int, NDArray[np.uint8]] | None = None
    for first, second, turn in _candidates(thumbnails):
        rough = compare_images(thumbnails[first], turn_image(thumbnails[second], turn))
        if not rough.same and rough.correlation < _MIN_THUMBNAIL_CORRELATION:
            continue
        if last is None or last[0] != first:
            last = first, read(first)
        match = compare_images(last[1], turn_image(read(second), turn))
        known = best.get((first, second))
        if match.correlation >= MIN_CORRELATION and (known is None or match.correlation > known.match.correlation):
            best[first, second] = Duplicate(first, second, turn, match)
    return [best[key] for key in sorted(best)]


def _candidates(thumbnails: NDArray[np.uint8]) -> Iterator[tuple[int, int, int]]:
    """Yield (first, second, turn) wherever the hash of a picture is near that of a later one turned."""
    places = np.flatnonzero(thumbnails.std(axis=(1, 2)) >= _LEAST_DEVIATION)
    hashes = hash_thumbnails(thumbnails[places])
    for row, own in enumerate(hashes[:, 0]):
        distance = np.bitwise_count(own ^ hashes[row + 1 :])
        near = np.argwhere(distance <= MAX_DISTANCE_BITS)
        ranked = near[np.argsort(distance[tuple(near.T)], kind="stable")][:_MOST_CANDIDATES]
        for later, turn in ranked.tolist():
            yield int(places[row]), int(places[row + 1 + later]), turn
