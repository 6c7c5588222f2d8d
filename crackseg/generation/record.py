"""Encode the manifest record of a sample as one line of JSON."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from crackseg.labels.counts import compress_counts, encode_cutout
from data_gen import SyntheticCrack, SyntheticSample


def encode_record(sample: SyntheticSample, name: str) -> bytes:
    """Encode the record of a sample.

    Args:
        sample: The sample.
        name: File name of its image.
    """
    shape = (sample.mask.shape[0], sample.mask.shape[1])
    fields = {
        "index": sample.index,
        "seed": sample.seed,
        "image": f"images/{name}",
        "mask": f"masks/{name}",
        **({} if sample.noisy_mask is None else {"exact_mask": f"exact/{name}"}),
        "surface": sample.surface,
        "noise": dict(Counter(patch.family for patch in sample.noise)),
        "confounders": [dataclasses.asdict(item) for item in sample.confounders],
        "cracks_left_out": sample.left_out,
    }
    cracks = ", ".join(_crack(crack, shape) for crack in sample.cracks)
    return f'{json.dumps(fields)[:-1]}, "cracks": [{cracks}]}}\n'.encode("ascii")


def _crack(crack: SyntheticCrack, shape: tuple[int, int]) -> str:
    """Return a crack as JSON; ``rle`` is COCO's compressed string."""
    fields = {
        "kind": crack.kind,
        "box": list(crack.box),
        "length_px": round(crack.length_px, 3),
        "width_mean_px": round(crack.width_mean_px, 3),
        "width_max_px": round(crack.width_max_px, 3),
        "area_px": round(crack.area_px, 3),
        "mask_px": int(np.count_nonzero(crack.mask)),
        "rle": compress_counts(encode_cutout(crack.mask, crack.box[:2], shape)),
    }
    lines = ", ".join(_numbers(line, "[%.2f, %.2f]") for line in crack.centrelines)
    widths = ", ".join(_numbers(line, "%.2f") for line in crack.widths_px)
    return f'{json.dumps(fields)[:-1]}, "centrelines": [{lines}], "widths_px": [{widths}]}}'


def _numbers(values: NDArray[np.float64], form: str) -> str:
    """Return ``(n,)`` or ``(n, 2)`` numbers as a JSON list, faster than `json`."""
    return f"[{', '.join([form] * len(values))}]" % tuple(values.ravel().tolist())
