"""Time run-length encodings against pycocotools on one mask of 1024x1024 px.

    python benchmarks/rle.py [--rounds 60]

The mask has about 11,000 runs. Every line is timed once per round in processor seconds, and the fastest round counts:
the machine may be shared, and the ratios still hold. pycocotools reads and writes only its own compressed string, in
column order; the functions here read and return rows. Aim: competition text, once parsed, at its speed or better.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as cocotools

from crackseg.labels.brush import decode_brush, encode_brush
from crackseg.labels.counts import compress_counts, decode_counts, decompress_counts, encode_counts
from crackseg.labels.polygon import fill_rings, trace_rings
from crackseg.labels.rle import decode_pairs, encode_pairs, rle_decode, rle_encode
from crackseg.labels.runs import parse_numbers

SIDE = 1024


def crack_mask(lines: int = 60) -> NDArray[np.bool_]:
    """A mask of crooked lines, one to four pixels wide."""
    rng = np.random.default_rng(0)
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(lines):
        point = rng.integers(0, SIDE, 2)
        for _ in range(8):
            after = point + rng.integers(-60, 61, 2)
            cv2.line(canvas, point.tolist(), after.tolist(), 1, int(rng.integers(1, 5)))
            point = after
    return canvas.astype(np.bool_)


def decode_by_loop(text: str, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The decoder that every competition hands round."""
    words = text.split()
    starts, lengths = (np.asarray(part, dtype=int) for part in (words[0::2], words[1::2]))
    flat = np.zeros(shape[0] * shape[1], dtype=np.uint8)
    for start, length in zip(starts - 1, lengths, strict=True):
        flat[start : start + length] = 1
    return flat.reshape(shape[::-1]).T


def tasks(mask: NDArray[np.bool_]) -> dict[str, tuple[str, Callable[[], object]]]:
    """Return the timed functions by name, each with its reference."""
    shape = mask.shape[0], mask.shape[1]
    columns = np.asfortranarray(mask.view(np.uint8))
    packed = cocotools.encode(columns)
    text, numbers, counts = rle_encode(mask), encode_pairs(mask), encode_counts(mask)
    brush, rings = encode_brush(mask), trace_rings(mask, "centre")
    flat = [ring[:, ::-1].ravel().tolist() for ring in rings]
    decode, encode = "pycocotools decode", "pycocotools encode"
    return {
        decode: (decode, lambda: cocotools.decode(packed)),
        "pairs decode, parsed": (decode, lambda: decode_pairs(numbers, shape)),
        "pairs decode, text": (decode, lambda: rle_decode(text, shape)),
        "  of which parsing": (decode, lambda: parse_numbers(text)),
        "  by the classic loop": (decode, lambda: decode_by_loop(text, shape)),
        "COCO decode, string": (decode, lambda: decode_counts(decompress_counts(packed["counts"]), shape)),
        "COCO decode, counts": (decode, lambda: decode_counts(counts, shape)),
        "brush decode": (decode, lambda: decode_brush(brush, shape)),
        encode: (encode, lambda: cocotools.encode(columns)),
        "  from rows": (encode, lambda: cocotools.encode(np.asfortranarray(mask.view(np.uint8)))),
        "pairs encode, numbers": (encode, lambda: encode_pairs(mask)),
        "pairs encode, text": (encode, lambda: rle_encode(mask)),
        "COCO encode, string": (encode, lambda: compress_counts(encode_counts(mask))),
        "brush encode": (encode, lambda: encode_brush(mask)),
        "pycocotools polygons": ("pycocotools polygons", lambda: cocotools.decode(cocotools.frPyObjects(flat, *shape))),
        "polygons fill": ("pycocotools polygons", lambda: fill_rings(rings, shape, "centre")),
        "polygons trace": ("pycocotools polygons", lambda: trace_rings(mask, "centre")),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    mask = crack_mask()
    timed = tasks(mask)
    best = dict.fromkeys(timed, float("inf"))
    for _ in range(rounds):
        for name, (_, run) in timed.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    print(f"{SIDE}x{SIDE} pixels, {encode_pairs(mask).size // 2} runs, fastest of {rounds} rounds")
    for name, (reference, _) in timed.items():
        print(f"{name:24} {1000 * best[name]:8.2f} ms  {best[name] / best[reference]:6.2f} x {reference}")


if __name__ == "__main__":
    main()
