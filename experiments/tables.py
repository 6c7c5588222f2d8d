"""Format tables of scores and choose the samples behind them."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from crackseg.datasets.samples import Sample

Result = dict[str, Any]
"""Result of a run: "command", "steps", "minutes", "threshold", and the scores of each set in "test"."""


def choose(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """Choose samples by a hash of seed and stem."""

    def rank(sample: Sample) -> bytes:
        return hashlib.sha256(f"{seed}:{sample.image.stem}".encode("utf-8", "replace")).digest()

    return sorted(samples, key=rank)[:count]


def even_halves(real: Sequence[str], generated: Sequence[str]) -> dict[str, float]:
    """Return shares of the patches: half real, half generated."""
    return {name: round(1 / len(names), 4) for names in (real, generated) for name in names}


def cell(scores: Mapping[str, Any] | None) -> str:
    """Return the scores of one set as a cell of a table."""
    if scores is None:
        return "-"
    if not scores["crack_px"]:
        return f"{100 * scores['false_alarm']:.2f} % marked"
    return f"{scores['f1']:.3f} / {scores['f1_2px']:.3f}"


def mean_cell(results: Sequence[Mapping[str, Any] | None]) -> str:
    """Return the mean over the sets with cracks, or nothing."""
    if not results or None in results:
        return "-"
    cracked = [scores for scores in results if scores is not None and scores["crack_px"]]
    if not cracked:
        return "-"
    return " / ".join(f"{statistics.mean(scores[key] for scores in cracked):.3f}" for key in ("f1", "f1_2px"))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def without_table(sets: Sequence[str], unseen: Mapping[str, Result], trained: Result | None, model: str) -> str:
    """Return the table of the left-out sets."""
    rows, pairs = [], []
    for name in sets:
        result = unseen.get(name)
        if result is None:
            continue
        pair = (result["test"].get(name), None if trained is None else trained["test"].get(name))
        pairs.append(pair)
        rows.append([name, cell(pair[0]), cell(pair[1]), *facts(result)])
    mean = [mean_cell([pair[side] for pair in pairs]) for side in (0, 1)]
    rows.append(
        [f"mean of {sum(bool(pair[0] and pair[0]['crack_px']) for pair in pairs)} with cracks", *mean, *[""] * 3]
    )
    return markdown(["left out", "never seen", f"trained on it: {model}", "threshold", "steps", "minutes"], rows)


def few_table(name: str, base: Mapping[str, Any], rows: Mapping[str, Sequence[Result]]) -> str:
    """Return the table of a few images."""
    lines = [["base as it is", "0", "1", cell(base["test"][name]), f"{base['threshold']:g}", "", "0"]]
    for title, results in rows.items():
        if not results:
            continue
        scores = " / ".join(shown([result["test"][name][key] for result in results]) for key in ("f1", "f1_2px"))
        mean = {key: statistics.mean(result[key] for result in results) for key in ("threshold", "steps", "minutes")}
        images = str(results[0]["images"])
        values = [f"{mean['threshold']:.3g}", f"{mean['steps']:.0f}", f"{mean['minutes']:.1f}"]
        lines.append([title, images, str(len(results)), scores, *values])
    return markdown(["start", "images", "choices", f"{name}, F1 / 2 px", "threshold", "steps", "minutes"], lines)


def share_table(sets: Sequence[str], rows: Mapping[str, Result]) -> str:
    """Return the table of the real images' shares."""
    lines = []
    for title, result in rows.items():
        scores = [result["test"].get(name) for name in sets]
        lines.append([title, str(result["images"]), *map(cell, scores), mean_cell(scores), *facts(result)])
    return markdown(["training images", "real", *sets, "mean with cracks", "threshold", "steps", "minutes"], lines)


def facts(result: Mapping[str, Any]) -> list[str]:
    return [f"{result['threshold']:g}", str(result["steps"]), f"{result['minutes']:.1f}"]


def shown(values: Sequence[float]) -> str:
    """Return a mean, with the standard deviation where there are several values."""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"
