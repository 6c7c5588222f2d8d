"""Counting and limiting the differences of an exported model."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crackseg.exporting.parity import LIMITS, Parity, ParityError, ParityLimits, compare
from crackseg.exporting.pipeline import ExportResult
from crackseg.metrics.counts import Counts

Pixels = NDArray[np.uint8]


class Brightness:
    """The red channel, with an offset in the first pixels."""

    stride, context = 1, 0

    def __init__(self, off: float = 0.0, pixels: int = 0) -> None:
        self.off, self.pixels = off, pixels

    def __call__(self, pixels: Pixels, /) -> NDArray[np.float32]:
        answer = pixels[..., 0].astype(np.float32) / np.float32(255)
        answer.reshape(len(pixels), -1)[:, : self.pixels] += self.off
        return answer


def sample(level: int) -> tuple[Pixels, NDArray[np.bool_]]:
    """Return ten by ten pixels, half of them crack and bright."""
    image = np.zeros((10, 10, 3), np.uint8)
    image[:5] = level
    return image, image[..., 0] > 0


def test_differences_changes_and_scores_are_counted_over_all_images() -> None:
    parity = compare(Brightness(), Brightness(-0.5, 20), [sample(255), sample(204)], threshold=0.6)
    assert (parity.images, parity.pixels, parity.changed_px) == (2, 200, 40)
    assert parity.difference == pytest.approx(0.5)
    assert parity.changed == 0.2
    assert parity.before.f1 == 1.0
    assert parity.after.f1 == pytest.approx(2 * 60 / (2 * 60 + 40))
    assert parity.f1_loss == pytest.approx(0.25)
    assert "F1 1.0000 -> 0.7500 on 2 images" in parity.describe()


def parity_of(**changes: float) -> Parity:
    values: dict[str, float] = {"images": 3, "pixels": 1000, "difference": 0.01, "changed_px": 2, **changes}
    counts = Counts(90, 10, 10, 890)
    return Parity(
        images=int(values["images"]),
        pixels=int(values["pixels"]),
        difference=values["difference"],
        changed_px=int(values["changed_px"]),
        before=counts,
        after=Counts(int(values.get("hits", 90)), 10, 10, 890),
    )


TIGHT = ParityLimits(difference=0.02, changed=0.002, f1_loss=0.01)


def refused(parity: Parity) -> bool:
    try:
        parity.check(TIGHT)
    except ParityError:
        return True
    return False


def test_differences_within_the_limits_pass() -> None:
    assert not refused(parity_of())
    assert not refused(parity_of(hits=95)), "a better score is no loss"
    assert refused(parity_of(hits=70))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"difference": 0.03}, id="probability"),
        pytest.param({"changed_px": 3}, id="pixels"),
        pytest.param({"hits": 70}, id="score"),
        pytest.param({"images": 0}, id="nothing to check with"),
        pytest.param({"difference": math.nan}, id="not a number"),
    ],
)
def test_a_difference_beyond_one_limit_is_an_error(changes: dict[str, float]) -> None:
    with pytest.raises(ParityError, match="nothing was written"):
        parity_of(**changes).check(TIGHT)


def test_limits_grow_with_lower_precision_up_to_half_a_percent_of_f1() -> None:
    assert LIMITS["fp32"].changed < LIMITS["bf16"].changed < LIMITS["int8"].changed
    assert all(limits.f1_loss <= 0.005 for limits in LIMITS.values())
    assert LIMITS["bf16"].f1_loss <= 0.002


def test_images_without_cracks_have_no_f1_loss() -> None:
    wall = np.zeros((10, 10, 3), np.uint8), np.zeros((10, 10), np.bool_)
    assert compare(Brightness(), Brightness(), [wall], threshold=0.5).f1_loss == 0.0


def test_parity_is_one_line_and_json_ready() -> None:
    parity = parity_of()
    assert repr(parity) == (
        "Parity(probability differs by at most 0.01, 0.200 % of pixels changed, F1 0.9000 -> 0.9000 on 3 images)"
    )
    values = json.loads(json.dumps(parity.to_dict()))
    assert values["changed"] == 0.002
    assert values["f1_loss"] == 0.0
    assert values["before"]["true_positive"] == 90


def test_an_export_result_has_a_line_a_dict_and_a_row() -> None:
    result = ExportResult(Path("out/model.onnx"), "onnx", "int8", parity_of(hits=70))
    assert repr(result) == "ExportResult('out/model.onnx', onnx, int8, F1 loss 0.0250)"
    assert json.loads(json.dumps(result.to_dict()))["parity"]["changed_px"] == 2
    (row,) = result.rows()
    assert row["f1_before"] - row["f1_after"] == pytest.approx(result.parity.f1_loss)
    assert not any(isinstance(value, dict) for value in row.values())
