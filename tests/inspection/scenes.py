"""Make small walls, and a model that takes dark for crack, for the tests of inspection."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from crackseg.imaging.codec import write_png
from crackseg.modelcard.card import ModelCard

DARK = 90.0


def write_model(
    path: Path,
    *,
    bias: float = DARK,
    context_px: int = 8,
    nan: bool = False,
    domain: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model whose probability falls steeply with brightness."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real", "axes"], ["grey"], keepdims=0),
        helper.make_node("Sub", ["level", "grey"], ["darker"]),
        helper.make_node("Mul", ["darker", "slope"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probability"]),
    ]
    if nan:  # the square root is NaN for everything brighter than the level
        nodes[3:] = [helper.make_node("Sqrt", ["darker"], ["probability"])]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [3]),
        helper.make_tensor("level", TensorProto.FLOAT, [], [bias]),
        helper.make_tensor("slope", TensorProto.FLOAT, [], [0.3]),
    ]
    graph = helper.make_graph(
        nodes,
        "dark",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", "h", "w"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    card = ModelCard(
        name="dark",
        network={"arch": "dark"},
        stride=8,
        context_px=context_px,
        threshold=0.5,
        domain={} if domain is None else domain,
    )
    helper.set_model_props(model, {"crackseg_card": json.dumps(dataclasses.asdict(card))})
    onnx.save(model, path)
    return path


def wall(number: int, shape: tuple[int, int] = (64, 96), *, width_px: int = 3, crack: bool = True) -> NDArray[np.uint8]:
    """Return ``(H, W, 3)`` uint8 RGB pixels of a wall with a dark line."""
    rng = np.random.default_rng(number)
    height, width = shape
    image = rng.integers(150, 210, (height, width, 1)) + rng.integers(-4, 5, (height, width, 3))
    if crack:
        line = np.zeros(shape, np.uint8)
        cv2.line(
            line, (4, int(rng.integers(8, height - 8))), (width - 5, int(rng.integers(8, height - 8))), 1, width_px
        )
        image[line > 0] = 30
    return image.astype(np.uint8)


def write_walls(folder: Path, count: int, *, first: int = 0) -> Path:
    """Write walls, every third without a crack; return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        write_png(folder / f"wall{number:03d}.png", wall(number, crack=number % 3 != 2))
    return folder


def rows(output: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of an inspection, by name."""
    with sqlite3.connect(f"file:{output / 'results.sqlite'}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        records = [dict(row) for row in database.execute("SELECT * FROM results ORDER BY path")]
    database.close()
    return {row["name"]: row for row in records}


def content(output: Path) -> dict[str, Any]:
    """Return the output of an inspection without its times and tries."""
    records = rows(output)
    for row in records.values():
        for name in ("seconds", "tries", "read_ns", "ctime_ns", "mtime_ns"):
            del row[name]
    images = {
        path.relative_to(output).as_posix(): path.read_bytes()
        for folder in ("masks", "overlays")
        for path in sorted((output / folder).rglob("*"))
        if path.is_file()
    }
    table = (output / "results.csv").read_text(encoding="utf-8").splitlines()
    return {"rows": records, "images": images, "lines": len(table)}
