"""Find duplicate images: turned, mirrored, re-encoded or slightly shifted copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crackseg.datasets.fingerprint import Match, compare_images, hash_thumbnails, turn_image

MAX_DISTANCE_BITS = 12
"""Hashes of different images differ in more bits, those of unrelated images in about 32 of 63."""
MIN_CORRELATION = 0.7
"""Details of different images correlate less: known copies reach .83 and more, other images .5 and less."""
_MIN_THUMBNAIL_CORRELATION = 0.35
_MOST_CANDIDATES = 24
_LEAST_DEVIATION = 1.0
"""Standard deviation below which a thumbnail counts as blank, in grey levels."""

ImageReader = Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two images of the same content.

    Attributes:
        first: Index of the first image in the searched list.
        second: Index of the second, a later image.
        turn: Turn that aligns the second with the first; see `turn_image`.
        match: Similarity of the aligned images.
    """

    first: int
    second: int
    turn: int
    match: Match


def find_duplicates(thumbnails: NDArray[np.uint8], read: ImageReader) -> list[Duplicate]:
    """Find pairs of images of the same content.

    Hashes select candidates, thumbnails reject most of them, and the pixels decide. Images that overlap by less than
    about nine tenths, such as neighbouring tiles, are not found, nor are images without structure. Each image is
    compared with at most the 24 most similar later ones, which bounds the time for nearly blank images.

    Args:
        thumbnails: ``(N, 64, 64)`` uint8 grey thumbnails of the images.
        read: Returns the ``(H, W, 3)`` uint8 RGB image of an index.

    Returns:
        Pairs sorted by index, each with the best of the eight turns.
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
    """Yield (first, second, turn) for images of similar hashes."""
    places = np.flatnonzero(thumbnails.std(axis=(1, 2)) >= _LEAST_DEVIATION)
    hashes = hash_thumbnails(thumbnails[places])
    for row, own in enumerate(hashes[:, 0]):
        distance = np.bitwise_count(own ^ hashes[row + 1 :])
        near = np.argwhere(distance <= MAX_DISTANCE_BITS)
        ranked = near[np.argsort(distance[tuple(near.T)], kind="stable")][:_MOST_CANDIDATES]
        for later, turn in ranked.tolist():
            yield int(places[row]), int(places[row + 1 + later]), turn
